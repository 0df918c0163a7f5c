// Secrets are hidden until they are asked for. Whoever asks is recorded in the event log.

import { html } from "../vendor/preact-htm.js";
import { may } from "../session.js";
import { Missing, Notice } from "../components/notice.js";

/** Whether something of these entries is hidden. */
export const hides = (entries) => entries.some((entry) => entry.hidden || entry.hidden_inside);

/** Offers to show what is hidden. `clear` says that it is shown already. */
export function Reveal({ clear, onReveal }) {
  if (clear) return html`<${Notice}>Secrets are shown. The event log says that you looked.<//>`;
  if (!may("TFSTATE_LIST")) return html`<${Missing} permission="TFSTATE_LIST" to="see secrets" />`;
  return html`<p><button type="button" onClick=${onReveal}>Show secrets</button>
    <span class="soft"> The event log records it.</span></p>`;
}
