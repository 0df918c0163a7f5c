// A quantity as a bar, beside the number that says the same.

import { html } from "../vendor/preact-htm.js";

export function Bar({ value, of }) {
  const width = of > 0 && value > 0 ? Math.max(1, Math.round((value / of) * 100)) : 0;
  return html`<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" focusable="false">
    <rect class="all" width="100" height="6" rx="1" /><rect class="part" width=${width} height="6" rx="1" />
  </svg>`;
}
