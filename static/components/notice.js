// A line that says what happened, and what to do.

import { html } from "../vendor/preact-htm.js";

/** `kind` is info, good, warn or bad. A bad one is read out at once. */
export function Notice({ kind = "info", children, action = null }) {
  const role = kind === "bad" ? "alert" : "status";
  return html`<div class=${`notice ${kind}`} role=${role}><div>${children}</div>${action}</div>`;
}

/** An error of a request, with a button that tries again. */
export function Failure({ error, again = null }) {
  if (!error) return null;
  const action = again && html`<button type="button" onClick=${again}>Try again</button>`;
  return html`<${Notice} kind="bad" action=${action}>${error.message}<//>`;
}

/** Says which permission is missing for what is not offered. */
export function Missing({ permission, to }) {
  return html`<p class="missing">Your key may not ${to}: it lacks <code>${permission}</code>.</p>`;
}

export function Loading({ what = "Loading" }) {
  return html`<p class="loading" role="status">${what}…</p>`;
}
