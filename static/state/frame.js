// What the views of one state have in common: the frame with its name, the way up and the tabs; what
// was asked for; and values, which strangers wrote, so they are text and never markup. Secrets are
// hidden until they are asked for, and whoever asks is recorded in the event log.

import { html } from "../vendor/preact-htm.js";
import { statePath } from "../api.js";
import { plural } from "../format.js";
import { href, path } from "../router.js";
import { may } from "../session.js";
import { Missing, Notice, View } from "../components/basics.js";

const PARTS = [
  ["", "Overview"],
  ["resources", "Resources"],
  ["outputs", "Outputs"],
  ["consumers", "Consumers"],
  ["use", "Use it"],
];

/** A state as the views pass it on: its names, and where the API has it. */
export function stateOf({ workspace, buildingBlock }) {
  return { workspace, buildingBlock, name: `${workspace}/${buildingBlock}`, api: statePath({ workspace, buildingBlock }) };
}

/** The link to a part of a state: `link(state, "compare", 7, 5)`. */
export const link = ({ workspace, buildingBlock }, ...parts) => href(path("states", workspace, buildingBlock, ...parts));

export function Frame({ state, part, title = state.name, children }) {
  const crumbs = [["States", href("/states")]];
  if (title !== state.name) crumbs.push([state.name, link(state)]);
  const here = (id) => (id === part ? "page" : undefined);
  return html`<${View} title=${title} crumbs=${crumbs}>
    <nav class="tabs" aria-label=${`Parts of ${state.name}`}>
      ${PARTS.map(([id, name]) => html`<a key=${id} href=${id ? link(state, id) : link(state)} aria-current=${here(id)}>${name}</a>`)}
    </nav>
    ${children}
  <//>`;
}

/** Longer values are folded. */
const SHORT = 120;

function Long({ text }) {
  return html`<details class="long">
    <summary><code>${text.slice(0, SHORT)}…</code> <span class="soft">${plural(text.length, "character")}</span></summary>
    <pre tabindex="0">${text}</pre>
  </details>`;
}

function Written({ value }) {
  const line = JSON.stringify(value);
  return line.length > SHORT ? html`<${Long} text=${JSON.stringify(value, null, 2)} />` : html`<code>${line}</code>`;
}

/** A value of the state. `entry` says if it is hidden, or was left out. */
export function Value({ entry, member = "value" }) {
  if (entry.hidden) return html`<span class="masked">hidden</span>`;
  if (entry.too_long || entry.too_deep) return html`<span class="soft">too large to be shown; download the version</span>`;
  if (!(member in entry)) return html`<span class="soft">not there</span>`;
  return html`<${Written} value=${entry[member]} />${entry.hidden_inside && html` <span class="soft">parts of it are hidden</span>`}`;
}

/** `+1 ~2 -0`, and the same in words for those who hear it. */
export function Counts({ added, changed, removed }) {
  if (added === null || added === undefined) return html`<span class="soft">not counted</span>`;
  const words = `${added} added, ${changed} changed, ${removed} removed`;
  return html`<span class="counts" role="img" aria-label=${words}>
    <span class="plus">+${added}</span> <span class="tilde">~${changed}</span> <span class="minus">-${removed}</span>
  </span>`;
}

/** Whether something of these entries is hidden. */
export const hides = (entries) => entries.some((entry) => entry.hidden || entry.hidden_inside);

/** Offers to show what is hidden. `clear` says that it is shown already. */
export function Reveal({ clear, onReveal }) {
  if (clear) return html`<${Notice}>Secrets are shown. The event log says that you looked.<//>`;
  if (!may("TFSTATE_LIST")) return html`<${Missing} permission="TFSTATE_LIST" to="see secrets" />`;
  return html`<p><button type="button" onClick=${onReveal}>Show secrets</button>
    <span class="soft"> The event log records it.</span></p>`;
}
