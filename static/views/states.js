// States.

import { html } from "../vendor/preact-htm.js";
import { View } from "../components/view.js";

export function States() {
  return html`<${View} title="States"><//>`;
}
