// Search over the current versions of all states that the key may see, and what leads to it: `/`, and
// a field on the start. The server finds nothing that it masks.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { get } from "../api.js";
import { useData } from "../data.js";
import { number, plural } from "../format.js";
import { go, href, path, setQuery } from "../router.js";
import { may } from "../session.js";
import { Act, Asked, Damaged, Notice, StateLink, View } from "../components/basics.js";

function onKey(event) {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, dialog")) return;
  const field = document.querySelector('main [aria-keyshortcuts="/"]');
  if (field === null && !may("TFSTATE_INSPECT")) return;
  event.preventDefault();
  field?.focus();
  field?.select();
  if (field === null) go("/find");
}

/** Listens for as long as a person is signed in. */
export function useSlash() {
  useEffect(() => {
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}

export function SearchBox() {
  const [text, setText] = useState("");
  const submit = (event) => {
    event.preventDefault();
    if (text.trim() !== "") go("/find", { q: text.trim() });
  };
  return html`<form class="filters" role="search" onSubmit=${submit}>
    <label class="field wide"><span>Find a resource, an output or a state (press / to come here)</span>
      <input type="search" value=${text} maxlength="256" spellcheck=${false} autocomplete="off" aria-keyshortcuts="/" onInput=${(event) => setText(event.target.value)} /></label>
    <button>Find</button>
  </form>`;
}

const escaped = (word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** What finds any of these words in a text; null without a word. */
function finderOf(text) {
  const words = text.split(/\s+/).filter(Boolean).sort((one, other) => other.length - one.length);
  return words.length === 0 ? null : new RegExp(`(${words.map(escaped).join("|")})`, "giu");
}

function Marked({ text, finder }) {
  const parts = finder === null ? [text] : text.split(finder);
  // What was split by stands at every second place.
  return html`${parts.map((part, at) => (at % 2 === 1 ? html`<mark>${part}</mark>` : part))}`;
}

const PAGE = 100;
/** A page looks at a bounded number of rows, so it may find none and still have a next one. */
const EMPTY_PAGES = 10;
const PAUSE_MS = 250;
/** The server counts no further than to this. */
const MANY_BEHIND = 10_000;

const KINDS = { "": "Everything", resource: "Resources", output: "Outputs", state: "States" };

/** Asks until something is found or nothing is left. */
async function page(asked, first, signal) {
  const all = { found: [], damaged: [], next: first, behind: 0 };
  for (let turn = 0; turn < EMPTY_PAGES; turn += 1) {
    const answer = await get("api/search", { ...asked, after: all.next, limit: PAGE }, { signal });
    all.found.push(...answer.found);
    all.damaged.push(...(answer.damaged ?? []));
    Object.assign(all, { next: answer.next, behind: answer.behind });
    if (all.found.length > 0 || answer.next === null) break;
  }
  return all;
}

function linkOf({ workspace, buildingBlock, kind, version, address }) {
  const parts = ["states", workspace, buildingBlock];
  if (kind === "resource") parts.push("resources", version, address);
  if (kind === "output") parts.push("outputs");
  return href(path(...parts));
}

function Entry({ one, finder }) {
  const name = one.kind === "state" ? `${one.workspace}/${one.buildingBlock}` : one.address;
  return html`<li class="resource">
    <p><a href=${linkOf(one)}><code><${Marked} text=${name} finder=${finder} /></code></a>
      ${one.kind !== "resource" && html` <span class="tag">${one.kind}</span>`}</p>
    ${one.texts.length > 0 && html`<ul class="changes">${one.texts.map(({ path: where, value }) => html`<li key=${where}>
      <code class="soft">${where}</code>: <code><${Marked} text=${value} finder=${finder} /></code></li>`)}</ul>`}
  </li>`;
}

/** What was found comes in the order of the states. */
function byState(found) {
  const groups = [];
  for (const one of found) {
    const last = groups.at(-1)?.[0];
    if (last?.workspace === one.workspace && last?.buildingBlock === one.buildingBlock) groups.at(-1).push(one);
    else groups.push([one]);
  }
  return groups;
}

function Group({ rows, finder }) {
  const [first] = rows;
  return html`<section class="card group">
    <h2><${StateLink} state=${first} /> <span class="soft">version ${first.version}</span></h2>
    <ul>${rows.map((one) => html`<${Entry} key=${`${one.kind} ${one.address}`} one=${one} finder=${finder} />`)}</ul>
  </section>`;
}

function Behind({ count }) {
  if (count === 0) return null;
  const states = count >= MANY_BEHIND ? `${number(count)} states or more` : plural(count, "state");
  return html`<${Notice} kind="warn">The index is not up to date with ${states}, so nothing of them is found. It follows by itself within seconds.<//>`;
}

function Found({ first, asked }) {
  const [later, setLater] = useState({ found: [], damaged: [], next: first.next });
  const found = [...first.found, ...later.found];
  const finder = finderOf(asked.q);
  const groups = byState(found);
  const more = async () => {
    const next = await page(asked, later.next);
    setLater({ found: [...later.found, ...next.found], damaged: [...later.damaged, ...next.damaged], next: next.next });
  };
  const count = found.length === 0 ? "Nothing is found" : `${number(found.length)} found in ${plural(groups.length, "state")}`;
  return html`<p class="soft" role="status">${count}${later.next === null ? "." : ", and there may be more."}</p>
    <${Behind} count=${first.behind} />
    <${Damaged} rows=${[...first.damaged, ...later.damaged]} what="searched" />
    ${groups.map((rows) => html`<${Group} key=${`${rows[0].workspace}/${rows[0].buildingBlock}`} rows=${rows} finder=${finder} />`)}
    ${later.next !== null && html`<p><${Act} label="Search on" act=${more} /></p>`}`;
}

function Search({ asked }) {
  const answer = useData((signal) => page(asked, undefined, signal), []);
  return html`<${Asked} answer=${answer} what="Searching">${(data) => html`<${Found} first=${data} asked=${asked} />`}<//>`;
}

function Hints() {
  return html`<div class="soft"><p>Type the beginnings of words: of an address, a type, an id, an ARN, a name, a tag, an IP address, the name of a host or of an output.</p>
    <p>All words have to be found. The current version of each state is searched. What is secret is never found.</p></div>`;
}

export function Find({ query }) {
  const asked = { q: query.q ?? "", kind: query.kind ?? "", workspace: query.workspace ?? "" };
  const [text, setText] = useState(asked.q);
  const input = useRef(null);
  const [isEmpty] = useState(asked.q === "");
  const timer = useRef(0);
  // Links and the way back bring other words.
  useEffect(() => setText((before) => (before.trim() === asked.q ? before : asked.q)), [asked.q]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const search = (part) => {
    clearTimeout(timer.current);
    setQuery({ ...asked, q: text.trim(), ...part });
  };
  const type = (event) => {
    const { value } = event.target;
    setText(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => search({ q: value.trim() }), PAUSE_MS);
  };
  const submit = (event) => {
    event.preventDefault();
    search({});
  };
  return html`<${View} title="Find" first=${isEmpty ? input : null}>
    <form class="filters" role="search" onSubmit=${submit}>
      <label class="field wide"><span>Find a resource, an output or a state</span>
        <input type="search" ref=${input} value=${text} maxlength="256" spellcheck=${false} autocomplete="off" aria-keyshortcuts="/" onInput=${type} /></label>
      <label class="field"><span>What</span><select onChange=${(event) => search({ kind: event.target.value })}>
        ${Object.entries(KINDS).map(([kind, name]) => html`<option value=${kind} selected=${asked.kind === kind}>${name}</option>`)}</select></label>
      <label class="field"><span>Workspace (empty: all)</span>
        <input value=${asked.workspace} spellcheck=${false} autocomplete="off" onChange=${(event) => search({ workspace: event.target.value.trim() })} /></label>
      <button>Find</button>
    </form>
    ${asked.q === "" ? html`<${Hints} />` : html`<${Search} key=${JSON.stringify(asked)} asked=${asked} />`}
  <//>`;
}
