// Events.

import { html } from "../vendor/preact-htm.js";
import { View } from "../components/view.js";

export function Events() {
  return html`<${View} title="Events"><//>`;
}
