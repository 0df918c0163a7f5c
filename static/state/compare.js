// What is between two versions: what is gone first, since that is what people lose.

import { html, useState } from "../vendor/preact-htm.js";
import { get } from "../api.js";
import { useData } from "../data.js";
import { Asked, Notice, Time } from "../components/basics.js";
import { Frame, Reveal, Value, hides, link, stateOf } from "./frame.js";

const GROUPS = [
  ["removed", "Removed"],
  ["moved", "Moved"],
  ["changed", "Changed"],
  ["added", "Added"],
];

function Change({ change }) {
  if (change.hidden) return html`<li><code>${change.path}</code> has changed: <span class="masked">hidden</span></li>`;
  return html`<li><code>${change.path}</code>${": "}
    <span class="hidden"> was </span><span class="before"><${Value} entry=${change} member="before" /></span>
    <span aria-hidden="true"> → </span><span class="hidden"> is now </span>
    <span class="after"><${Value} entry=${change} member="after" /></span>
  </li>`;
}

/** Attributes that differ, a line for each. */
export function Changes({ changes, label }) {
  return changes?.length > 0 && html`<ul class="changes" aria-label=${label}>
    ${changes.map((change) => html`<${Change} key=${change.path} change=${change} />`)}
  </ul>`;
}

function Resource({ one, at }) {
  const address = html`<code class="address">${one.address}</code>`;
  return html`<li class=${`resource ${one.action}`}>
    <p>${at ? html`<a href=${at(one)}>${address}</a>` : address}
      ${one.previous_address && html` <span class="soft">was at <code>${one.previous_address}</code></span>`}
      ${one.deposed && html` <span class="tag">deposed <code>${one.deposed}</code></span>`}
      ${one.id && html` <span class="soft">id <code>${one.id}</code></span>`}</p>
    <${Changes} changes=${one.attributes} label=${`Attributes of ${one.address}`} />
    <${Changes} changes=${one.meta} label=${`Beside the attributes of ${one.address}`} />
  </li>`;
}

function Group({ action, title, resources, at }) {
  const rows = resources.filter((one) => one.action === action);
  if (rows.length === 0) return null;
  return html`<section class=${`card group ${action}`}>
    <h2>${title} <span class="soft">${rows.length}</span></h2>
    <ul>${rows.map((one) => html`<${Resource} key=${`${one.address} ${one.deposed}`} one=${one} at=${at} />`)}</ul>
  </section>`;
}

function Outputs({ outputs }) {
  if (outputs.length === 0) return null;
  return html`<section class="card group">
    <h2>Outputs <span class="soft">${outputs.length}</span></h2>
    <ul class="changes">${outputs.map((one) => html`<${Change} key=${one.path} change=${one} />`)}</ul>
  </section>`;
}

/**
 * A comparison as the server tells it. Also the middle of a preview of a rollback. `at(one)` is the
 * link to a resource, where there is one.
 */
export function Diff({ diff, at = null }) {
  const { counts, resources, outputs, terraform_version: program } = diff;
  const none = resources.length === 0 && outputs.length === 0 && !program;
  return html`<div class="diff"><p>${counts.removed} removed, ${counts.moved} moved, ${counts.changed - counts.moved} changed, ${counts.added} added</p>
    ${none && html`<p>Nothing differs in meaning: at most order, spaces or the serial.</p>`}
    ${GROUPS.map(([action, title]) => html`<${Group} key=${action} action=${action} title=${title} resources=${resources} at=${at} />`)}
    <${Outputs} outputs=${outputs} />
    ${program && html`<${Changes} changes=${[program]} label="Program" />`}
    ${diff.truncated && html`<${Notice} kind="warn">The list is cut off here, the counts are whole. Download both versions to see the rest.<//>`}</div>`;
}

const hidesSome = ({ outputs, resources }) =>
  hides([...outputs, ...resources.flatMap((one) => [...(one.attributes ?? []), ...(one.meta ?? [])])]);

function Between({ from, to, state }) {
  const told = (row) => html`<b>version ${row.number}</b> (<${Time} at=${row.created_at} />, ${row.created_by.name})`;
  return html`<p>From ${from ? told(from) : "nothing"} to ${told(to)}.
    ${from && html` <a href=${link(state, "compare", from.number, to.number)}>Turn around</a>`}</p>`;
}

function Told({ told, state, clear, onReveal }) {
  const { diff, not_compared: why, from, to } = told;
  const at = ({ action, address }) => link(state, "resources", (action === "removed" ? from : to).number, address);
  return html`<${Between} from=${told.from} to=${told.to} state=${state} />
    ${told.from_reason === "deleted" && html`<${Notice}>The state had been deleted before, so everything was added.<//>`}
    ${why && html`<${Notice}>${why.detail}<//>`}
    ${diff && html`<${Diff} diff=${diff} at=${at} />`}
    ${diff && (clear || hidesSome(diff)) && html`<${Reveal} clear=${clear} onReveal=${onReveal} />`}`;
}

/** Two versions, or a version and the one before it. */
export function Compare({ to, from, ...names }) {
  const state = stateOf(names);
  const [clear, setClear] = useState(false);
  const query = { from, sensitive: clear || undefined };
  const answer = useData((signal) => get(`${state.api}/versions/${to}/diff`, query, { signal }), [clear]);
  const title = from ? `Versions ${from} and ${to}` : `Changes of version ${to}`;
  return html`<${Frame} state=${state} part="compare" title=${title}>
    <${Asked} answer=${answer} what="Comparing">
      ${(told) => html`<${Told} told=${told} state=${state} clear=${clear} onReveal=${() => setClear(true)} />`}
    <//>
  <//>`;
}
