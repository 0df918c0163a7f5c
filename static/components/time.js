// A moment in the reader's zone. UTC is shown when it is pointed at or focused.

import { html, useState } from "../vendor/preact-htm.js";
import { useNow } from "../data.js";
import { ago, dateOf, localTime, utcTime } from "../format.js";

// Esc hides what is shown, until another moment is pointed at or focused.
addEventListener("keydown", (event) => {
  if (event.key === "Escape") document.documentElement.dataset.tips = "off";
});
for (const kind of ["pointerover", "focusin"]) {
  addEventListener(kind, () => delete document.documentElement.dataset.tips, { passive: true });
}

/** `relative` says how long ago; `otherwise` stands where there is no time. */
export function Time({ at, id, relative = false, otherwise = "never" }) {
  const now = useNow();
  const [shown, show] = useState(false);
  const date = dateOf(at);
  if (date === null) return html`<time id=${id}>${otherwise}</time>`;
  const text = relative ? ago(date, Math.max(now, Date.now())) : localTime(date);
  // Made when it is wanted, since a list has many times.
  const tip = () => (relative ? `${localTime(date)}\n${utcTime(date)}` : utcTime(date));
  return html`<time id=${id} datetime=${String(at)} class="timed" tabindex="0" onMouseEnter=${() => show(true)}
    onFocus=${() => show(true)}>${text}${shown && html`<span class="tip" role="tooltip">${tip()}</span>`}</time>`;
}
