// What most views are made of: the frame of a view, lines that say what happened, a moment, the link
// to a state, a bar, a text to copy, and what keys and trusts have in common.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { useNow } from "../data.js";
import { ago, dateOf, localTime, plural, utcTime } from "../format.js";
import { arrived, href, path } from "../router.js";

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

/** A button that acts at once, and shows why it could not. */
export function Act({ label, act }) {
  const [{ busy, error }, setState] = useState({ busy: false, error: null });
  const run = async () => {
    setState({ busy: true, error: null });
    const failure = await act().then(() => null, (reason) => reason);
    setState({ busy: false, error: failure });
  };
  return html`<button type="button" disabled=${busy} onClick=${run}>${label}</button><${Failure} error=${error} />`;
}

/** What a view has asked for: on its way, refused, or handed to `children`. */
export function Asked({ answer, what, children }) {
  if (answer.error) return html`<${Failure} error=${answer.error} again=${answer.reload} />`;
  if (answer.data === null) return html`<${Loading} what=${what} />`;
  return children(answer.data);
}

/** A table with these heads and rows; the last head may be a thing of its own. */
export function Table({ caption = null, heads, more = null, kind = "", children }) {
  return html`<table class=${`table ${kind}`}>${caption && html`<caption>${caption}</caption>`}
    <thead><tr>${heads.map((name) => html`<th scope="col">${name}</th>`)}${more && html`<th scope="col"><span class="hidden">${more}</span></th>`}</tr></thead>
    <tbody>${children}</tbody></table>`;
}

/** Rows that a list names because something of them is damaged. */
export function Damaged({ rows, what }) {
  return rows.map(({ row, detail }) => html`<${Notice} kind="warn" key=${row}>${String(row)} is not ${what}: ${String(detail)}.<//>`);
}

/** Says which permission is missing for what is not offered. */
export function Missing({ permission, to }) {
  return html`<p class="missing">Your key may not ${to}: it lacks <code>${permission}</code>.</p>`;
}

export function Loading({ what = "Loading" }) {
  return html`<p class="loading" role="status">${what}…</p>`;
}

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
  const [shown, show] = useState("");
  // It begins or ends with the moment, so that it lies in the window: it has less than 240 pixels.
  const onFocus = ({ target }) => show(target.getBoundingClientRect().x > innerWidth - 240 ? "tip end" : "tip");
  const date = dateOf(at);
  if (date === null) return html`<time id=${id}>${otherwise}</time>`;
  const text = relative ? ago(date, Math.max(now, Date.now())) : localTime(date);
  // Made when it is wanted, since a list has many times.
  const tip = () => (relative ? `${localTime(date)}\n${utcTime(date)}` : utcTime(date));
  return html`<time id=${id} datetime=${String(at)} class="timed" tabindex="0" onMouseEnter=${onFocus}
    onFocus=${onFocus}>${text}${shown && html`<span class=${shown} role="tooltip">${tip()}</span>`}</time>`;
}

/** `title` is text. `crumbs` are [text, href] of what lies above, `actions` stand beside the title. `first`
 * refers to what takes the focus instead of the heading. */
export function View({ title, crumbs = [], actions = null, first = null, children }) {
  const heading = useRef(null);
  useEffect(() => {
    document.title = `${title} · statekeep`;
  }, [title]);
  // The first view that is drawn after a click on a link takes the focus, so that a screen reader
  // says where it is. A reload leaves the focus where the browser puts it.
  useEffect(() => {
    const has = arrived();
    if (first !== null) first.current?.focus();
    else if (has) heading.current?.focus();
  }, []);
  return html`<div class="view">
    ${crumbs.length > 0 && html`<nav class="crumbs" aria-label="Above this">
      ${crumbs.map(([text, to]) => html`<a href=${to}>${text}</a>`)}
    </nav>`}
    <div class="head">
      <h1 tabindex="-1" ref=${heading}>${title}</h1>
      ${actions && html`<div class="actions">${actions}</div>`}
    </div>
    ${children}
  </div>`;
}

export function StateLink({ state, children = null }) {
  if (!state.workspace) return null;
  const name = state.buildingBlock ? `${state.workspace}/${state.buildingBlock}` : state.workspace;
  const to = state.buildingBlock
    ? href(path("states", state.workspace, state.buildingBlock))
    : href("/states", { q: `${state.workspace}/` });
  return html`<a href=${to}>${children ?? name}</a>`;
}

export function Bar({ value, of }) {
  const width = of > 0 && value > 0 ? Math.max(1, Math.round((value / of) * 100)) : 0;
  return html`<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" focusable="false">
    <rect class="all" width="100" height="6" rx="1" /><rect class="part" width=${width} height="6" rx="1" />
  </svg>`;
}

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

/** A new secret, which is shown this once. */
export function Secret({ secret, onClose }) {
  return html`<div class="form">
    <${Notice} kind="warn">The secret is shown this once. Store it safely before you close this.<//>
    <code class="secret" tabindex="0">${secret}</code>
    <div class="buttons"><${Copy} text=${secret} label="Copy the secret" /><button type="button" onClick=${onClose}>I have stored it</button></div>
  </div>`;
}

/** What one thing is: `facts` are [name, value]. */
export function FactCard({ facts }) {
  return html`<section class="card part" aria-label="What it says"><dl class="facts">
    ${facts.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl></section>`;
}

/** The states for which a key or a trust counts. */
export function scope({ workspace, buildingBlock }) {
  if (workspace === null) return "everything";
  return buildingBlock === null ? workspace : `${workspace}/${buildingBlock}`;
}

/** All permissions are too many for a line. */
export function Permissions({ names }) {
  if (names.length <= 3) return html`<span class="mono">${names.join(" ")}</span>`;
  return html`<details><summary>${plural(names.length, "permission")}</summary><span class="mono">${names.join(" ")}</span></details>`;
}

export function Status({ status }) {
  const kind = { active: "good", expired: "warn", revoked: "bad", failing: "bad", disabled: "warn" }[status] ?? "";
  return html`<span class=${`tag ${kind}`}>${status}</span>`;
}
