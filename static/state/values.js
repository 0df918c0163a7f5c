// Values of a state, which strangers wrote: always text, never markup.

import { html } from "../vendor/preact-htm.js";
import { plural } from "../format.js";

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
