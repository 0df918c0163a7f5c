// The frame of a view: its title for the tab, its heading that gets the focus when the view opens.

import { html, useEffect, useRef } from "../vendor/preact-htm.js";
import { arrived } from "../arrival.js";

/** `title` is text. `crumbs` are [text, href] of what lies above, `actions` stand beside the title. */
export function View({ title, crumbs = [], actions = null, children }) {
  const heading = useRef(null);
  useEffect(() => {
    document.title = `${title} · statekeep`;
  }, [title]);
  // The first view that is drawn after a click on a link takes the focus, so that a screen reader
  // says where it is. A reload leaves the focus where the browser puts it.
  useEffect(() => {
    if (arrived()) heading.current?.focus();
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
