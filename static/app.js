// The page that people open first: it shows what the API says, and does what the API offers.
// CONTRIBUTING.md says how the page is laid out, and how a view is added.

import { html, render, useEffect, useRef, useState } from "./vendor/preact-htm.js";
import { connection, tryNow } from "./api.js";
import { href, match, route } from "./router.js";
import { ROUTES, SECTIONS } from "./routes.js";
import { idleEnd, may, resume, session, signOut, stayActive } from "./session.js";
import { useSlash } from "./views/find.js";
import { Missing, View } from "./components/basics.js";
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
  useSlash();
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
