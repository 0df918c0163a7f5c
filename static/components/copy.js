// A text to copy, with its button.

import { html, useState } from "../vendor/preact-htm.js";

export function Copy({ text, label = "Copy" }) {
  const [said, say] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      say("Copied.");
    } catch {
      // Browsers give the clipboard to pages over HTTPS and on this machine alone.
      say("The browser does not let this page copy. Select the text and copy it.");
    }
  };
  return html`<span class="copy"><button type="button" onClick=${copy}>${label}</button>
    <span role="status">${said}</span></span>`;
}
