// What needs a person now: one line each, with one action.

import { html } from "../vendor/preact-htm.js";
import { View } from "../components/view.js";

export function Home() {
  return html`<${View} title="What needs me"><//>`;
}
