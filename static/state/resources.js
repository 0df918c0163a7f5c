// The resources of the current version, by module and type. The server masks their attributes.

import { html, useState } from "../vendor/preact-htm.js";
import { get } from "../api.js";
import { useData } from "../data.js";
import { plural } from "../format.js";
import { setQuery } from "../router.js";
import { Act, Asked, Notice } from "../components/basics.js";
import { Frame, link, stateOf } from "./frame.js";

const PAGE = 500;
/** Rows of a type that are drawn at first, and with each further click. */
const PART = 200;

/** Rows in groups of one `key`, in the order in which they came. */
function grouped(rows, key) {
  const groups = new Map();
  for (const row of rows) {
    if (!groups.has(row[key])) groups.set(row[key], []);
    groups.get(row[key]).push(row);
  }
  return [...groups];
}

function Marks({ row }) {
  return html`${row.status && html` <span class="tag warn">${row.status}</span>`}
    ${row.deposed.length > 0 && html` <span class="tag warn">${plural(row.deposed.length, "deposed object")}</span>`}
    ${row.mode === "data" && html` <span class="tag">data</span>`}`;
}

/** What is folded is not drawn, and of many rows a part, so that a large state costs no more than a small one. */
function Type({ type, rows, state, version }) {
  const [{ open, shown }, set] = useState({ open: rows.length <= 20, shown: PART });
  return html`<details class="type" open=${open} onToggle=${(event) => set({ open: event.currentTarget.open, shown })}>
    <summary><code>${type}</code> <span class="soft">${plural(rows.length, "resource")}</span></summary>
    ${open && html`<ul>${rows.slice(0, shown).map((row) => html`<li key=${row.address}>
      <a href=${link(state, "resources", version, row.address)}><code>${row.address}</code></a>
      ${row.id && html` <span class="soft">id <code>${row.id}</code></span>`}<${Marks} row=${row} />
    </li>`)}</ul>
    ${rows.length > shown && html`<p><button type="button" onClick=${() => set({ open, shown: shown + PART })}>${PART} more of ${type}</button></p>`}`}
  </details>`;
}

function Module({ module, rows, state, version }) {
  return html`<section class="card group">
    <h2>${module ? html`<code>${module}</code>` : "Root module"} <span class="soft">${plural(rows.length, "resource")}</span></h2>
    ${grouped(rows, "type").map(([type, some]) => html`<${Type} key=${type} type=${type} rows=${some} state=${state} version=${version} />`)}
  </section>`;
}

function Pages({ first, ask, state }) {
  const [later, setLater] = useState({ rows: [], next: first.next });
  const { version } = first;
  if (first.resources === null) return html`<${Notice}>${first.not_shown.detail}<//>`;
  const rows = [...first.resources, ...later.rows];
  const more = async () => {
    const page = await ask(later.next);
    setLater({ rows: [...later.rows, ...page.resources], next: page.next });
  };
  return html`<p class="soft" role="status">${plural(rows.length, "resource")} of version ${version}${later.next ? ", and more" : ""}.</p>
    ${grouped(rows, "module").map(([module, some]) => html`<${Module} key=${module} module=${module} rows=${some} state=${state} version=${version} />`)}
    ${later.next && html`<p><${Act} label="More resources" act=${more} /></p>`}`;
}

function Filter({ prefix }) {
  const [text, setText] = useState(prefix);
  const submit = (event) => {
    event.preventDefault();
    setQuery({ prefix: text.trim() });
  };
  return html`<form class="filters" role="search" onSubmit=${submit}>
    <label class="field"><span>Addresses that begin with</span>
      <input type="search" value=${text} spellcheck=${false} autocomplete="off" aria-keyshortcuts="/" onInput=${(event) => setText(event.target.value)} /></label>
    <button>Show</button>
  </form>`;
}

/** The number of the current version; null if there is none. */
async function currentOf({ workspace, buildingBlock }, signal) {
  const query = { workspace, buildingBlock, fields: "current.number" };
  const { states } = await get("api/terraform/state", query, { signal });
  return states[0]?.current?.number ?? null;
}

export function Resources({ query, ...names }) {
  const state = stateOf(names);
  const prefix = query.prefix ?? "";
  const page = (version, after, signal) =>
    get(`${state.api}/versions/${version}/resources`, { limit: PAGE, prefix, after }, { signal });
  const first = async (signal) => {
    const version = await currentOf(state, signal);
    return { page: version === null ? null : await page(version, undefined, signal) };
  };
  const answer = useData(first, [state.api, prefix]);
  return html`<${Frame} state=${state} part="resources" title=${`Resources of ${state.name}`}>
    <${Filter} prefix=${prefix} />
    <${Asked} answer=${answer} what="Asking for the resources">
      ${(data) => data.page === null
        ? html`<p>No version is current.</p>`
        : html`<${Pages} key=${prefix} first=${data.page} state=${state} ask=${(after) => page(data.page.version, after)} />`}
    <//>
  <//>`;
}
