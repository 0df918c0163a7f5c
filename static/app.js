// The page that people open first: it shows what the API says, and does what the API offers.
//
// How it is laid out
// - `api.js` asks the server, `session.js` holds the token, `router.js` reads the address,
//   `data.js` keeps a view's data fresh, `format.js` writes times and sizes.
// - `views/` has one file for each view, `components/` has what several views use.
// - There is no build step: the browser loads these files as they are. `vendor/` has the one
//   library, Preact with htm.
//
// How a view is added
// 1. Write `views/NAME.js`. It exports a component, which gets the parameters of its path and
//    `query`, and draws a `View` (components/view.js) with its title.
// 2. Name it in `routes.js`: its path, and the permission that it needs, if there is one.
// 3. Name its file in `index.html` under `modulepreload`. A test compares the list.
// 4. Rules of style stand in `style.css`, or in a sheet of its own that `index.html` names.
//
// What holds everywhere
// - What strangers wrote is text: `html` escapes it. Nothing here makes markup of a text.
// - The policy forbids inline scripts and styles. `style=${{ width }}` with an object is allowed.
// - Links are made by `href(path("states", workspace, buildingBlock))`, so that back works.
// - What the key may not do is not offered: `may("TFSTATE_SAVE")`, else `Missing` says why.

import { html, render, useEffect, useRef, useState } from "./vendor/preact-htm.js";
import { connection, tryNow } from "./api.js";
import { href, match, route } from "./router.js";
import { ROUTES, SECTIONS } from "./routes.js";
import { idleEnd, may, resume, session, signOut, stayActive } from "./session.js";
import { Missing } from "./components/notice.js";
import { View } from "./components/view.js";
import { Front } from "./views/front.js";

function Lost() {
  const lost = connection.use();
  const [, tick] = useState(0);
  useEffect(() => {
    if (lost === null) return undefined;
    const timer = setInterval(() => tick((count) => count + 1), 1_000);
    return () => clearInterval(timer);
  }, [lost === null]);
  if (lost === null) return html`<div role="status"></div>`;
  const seconds = Math.max(0, Math.ceil((lost.next - Date.now()) / 1_000));
  return html`<div class="banner warn"><span role="status">The server does not answer. What you see may be old.</span>
    <span>${seconds > 0 ? `Next try in ${seconds} s.` : "Trying…"}</span>
    <button type="button" onClick=${tryNow}>Try now</button></div>`;
}

function IdleWarning() {
  const left = idleEnd.use();
  if (left === null) return html`<div role="alert"></div>`;
  return html`<div class="banner warn"><span role="alert">You will be signed out in about a minute.</span>
    <button type="button" onClick=${stayActive}>Stay signed in</button></div>`;
}

function Top({ who, path }) {
  const here = (section) => section.path === "/" ? path === "/" : path === section.path || path.startsWith(`${section.path}/`);
  return html`<header class="top">
    <a class="brand" href="#/"><span class="mark" aria-hidden="true"></span>statekeep</a>
    <nav aria-label="Main">
      ${SECTIONS.map((section) => html`<a href=${href(section.path)} aria-current=${here(section) ? "page" : undefined}>${section.name}</a>`)}
    </nav>
    <div class="who">
      <span title="The key that is signed in">${who.key?.name ?? who.kind}${who.workspace && html` <span class="soft">${who.workspace}${who.buildingBlock ? `/${who.buildingBlock}` : ""}</span>`}</span>
      <button type="button" onClick=${() => signOut("You are signed out.")}>Sign out</button>
    </div>
  </header>`;
}

function Nowhere() {
  return html`<${View} title="There is no such view"><p>The address names no view of this page. <a href="#/">Go to the start</a>.</p><//>`;
}

function Current({ at }) {
  for (const { pattern, view, needs, to } of ROUTES) {
    const found = match(pattern, at.path);
    if (found === null) continue;
    if (needs && !may(needs)) return html`<${View} title="Not for this key"><${Missing} permission=${needs} to=${to} /><//>`;
    return html`<${view} key=${at.path} ...${found} query=${at.query} />`;
  }
  return html`<${Nowhere} key="nowhere" />`;
}

function SignedIn({ who }) {
  const at = route.use();
  const main = useRef(null);
  const skip = (event) => {
    event.preventDefault();
    main.current.focus();
  };
  useEffect(() => {
    document.body.dataset.status = "signed-in";
    scrollTo(0, 0);
  }, [at.path]);
  return html`<a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <${Top} who=${who} path=${at.path} />
    <${Lost} /><${IdleWarning} />
    <main id="main" tabindex="-1" ref=${main}><${Current} at=${at} /></main>`;
}

function App() {
  const current = session.use();
  if (current === null) return html`<${Front} />`;
  return html`<${SignedIn} who=${current.who} />`;
}

resume();
render(html`<${App} />`, document.getElementById("app"));
