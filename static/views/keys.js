// Keys.

import { html } from "../vendor/preact-htm.js";
import { View } from "../components/view.js";

export function Keys() {
  return html`<${View} title="Keys"><//>`;
}
