// One resource of a version: its attributes, masked by the server, its neighbours; and its history, or
// that of one attribute: since when, by whom, in which apply, from what to what, through moves.

import { html, useEffect, useState } from "../vendor/preact-htm.js";
import { get } from "../api.js";
import { useData } from "../data.js";
import { plural } from "../format.js";
import { setQuery } from "../router.js";
import { Act, Asked, Notice, Table, Time } from "../components/basics.js";
import { Changes } from "./compare.js";
import { Frame, Value, link, stateOf } from "./frame.js";
import { Graph } from "./graph.js";
import { Who } from "./history.js";

const PAGE = 20;
/** A page looks at a bounded number of versions, so it may be empty and still have a next one. */
const EMPTY_PAGES = 10;

const ACTIONS = {
  added: ["good", "Added"],
  removed: ["bad", "Removed"],
  changed: ["warn", "Changed"],
  moved: ["", "Moved"],
};

/** Asks until there is something to show or the history is at its end. */
async function page(state, first, attribute, signal) {
  const all = { changes: [], gaps: [], next: first };
  for (let turn = 0; turn < EMPTY_PAGES; turn += 1) {
    const { address, before } = all.next;
    const query = { attribute, before, limit: PAGE };
    const answer = await get(`${state.api}/history/${encodeURIComponent(address)}`, query, { signal });
    all.changes.push(...answer.changes);
    all.gaps.push(...answer.gaps);
    all.next = answer.next;
    if (all.changes.length > 0 || all.next === null) break;
  }
  return all;
}

function Change({ one, state }) {
  const { version, from, change } = one;
  const [kind, name] = ACTIONS[change.action] ?? ["", String(change.action)];
  const to = from === null ? link(state, "compare", version.number) : link(state, "compare", version.number, from);
  return html`<p><span class=${`tag ${kind}`}>${name}</span> in <a href=${to}>version ${version.number}</a> by <${Who} row=${version} />
      ${version.lock?.operation && html` <span class="soft">${String(version.lock.operation).replace(/^OperationType/, "").toLowerCase()}</span>`}
      <span class="soft"> <${Time} at=${version.created_at} relative /></span></p>
    ${change.previous_address && html`<p class="soft">It was at <code>${change.previous_address}</code> before.</p>`}
    ${change.deposed && html`<p class="soft">Its deposed object <code>${change.deposed}</code>.</p>`}
    ${one.from_reason === "deleted" && html`<p class="soft">The state had been deleted before.</p>`}
    <${Changes} changes=${change.attributes} label=${`Attributes in version ${version.number}`} />
    <${Changes} changes=${change.meta} label=${`Beside the attributes in version ${version.number}`} />`;
}

const Gap = ({ gap }) => html`<p class="soft">Version ${gap.version} is not compared: ${gap.not_compared.detail}.</p>`;

/** Changes and gaps as they lie in time, the newest first. */
function inOrder({ changes, gaps }) {
  const rows = [
    ...changes.map((one) => ({ number: one.version.number, one })),
    ...gaps.map((gap) => ({ number: gap.version, gap })),
  ];
  return rows.sort((one, other) => other.number - one.number);
}

function Pages({ first, ask, state, what }) {
  const [later, setLater] = useState({ changes: [], gaps: [], next: first.next });
  const changes = [...first.changes, ...later.changes];
  const rows = inOrder({ changes, gaps: [...first.gaps, ...later.gaps] });
  const more = async () => {
    const next = await ask(later.next);
    setLater({ changes: [...later.changes, ...next.changes], gaps: [...later.gaps, ...next.gaps], next: next.next });
  };
  const count = changes.length === 0 ? `No change of ${what} is found` : plural(changes.length, "change");
  return html`<p class="soft" role="status">${count}${later.next === null ? "" : ", and there may be older ones"}.</p>
    ${rows.length > 0 && html`<ol class="history" aria-label="Changes, the newest first">
      ${rows.map(({ number, one, gap }, at) => html`<li key=${`${number} ${at}`} class="resource">${one ? html`<${Change} one=${one} state=${state} />` : html`<${Gap} gap=${gap} />`}</li>`)}</ol>`}
    ${later.next !== null && html`<p><${Act} label="Look further back" act=${more} /></p>`}`;
}

function Filter({ attribute, change }) {
  const [text, setText] = useState(attribute);
  useEffect(() => setText(attribute), [attribute]);
  const submit = (event) => {
    event.preventDefault();
    change(text.trim());
  };
  return html`<form class="filters" onSubmit=${submit}>
    <label class="field"><span>Only of an attribute (tags.Name)</span>
      <input type="search" value=${text} spellcheck=${false} autocomplete="off" onInput=${(event) => setText(event.target.value)} /></label>
    <button>Show its changes</button>
  </form>`;
}

/** `attribute` is empty for all of them; `change(attribute)` chooses another. */
function ResourceHistory({ state, address, attribute, change }) {
  const ask = (next, signal) => page(state, next, attribute, signal);
  const answer = useData((signal) => ask({ address }, signal), [state.api, address, attribute]);
  const what = attribute === "" ? "it" : attribute;
  return html`<section class="since" aria-labelledby="since-title">
    <h2 id="since-title" tabindex="-1">History${attribute !== "" && html` of <code>${attribute}</code>`}</h2>
    <${Filter} attribute=${attribute} change=${change} />
    <${Asked} answer=${answer} what="Asking for the history">
      ${(first) => html`<${Pages} key=${`${address} ${attribute}`} first=${first} ask=${ask} state=${state} what=${what} />`}
    <//>
  </section>`;
}

/** Names that can stand in a path of an attribute as they are. */
const PLAIN = /^[\p{L}_][\p{L}\p{N}_-]*$/u;

function Attributes({ resource, since }) {
  if (resource.hidden) return html`<${Notice}>All attributes are secret, so none is shown.<//>`;
  if (resource.too_long) return html`<${Notice}>The attributes are too large to be shown. Download the version to see them.<//>`;
  const names = Object.keys(resource.attributes ?? {});
  if (names.length === 0) return html`<p>There are no attributes.</p>`;
  return html`<${Table} heads=${["Attribute", "Value"]} more="History">
    ${names.map((name) => html`<tr key=${name}>
      <th scope="row"><code>${name}</code></th>
      <td data-name="Value"><${Value} entry=${{ value: resource.attributes[name] }} /></td>
      <td class="act">${PLAIN.test(name) && html`<button type="button" class="plain" onClick=${() => since(name)}>Since when?<span class="hidden"> ${name}</span></button>`}</td>
    </tr>`)}<//>
  ${resource.hidden_inside && html`<p class="soft">What is secret stands there as <code>(hidden)</code>.</p>`}`;
}

function Neighbours({ title, none, addresses, state, version }) {
  return html`<section class="card group">
    <h2>${title} <span class="soft">${addresses.length}</span></h2>
    ${addresses.length === 0 && html`<p class="soft">${none}</p>`}
    <ul>${addresses.map((address) => html`<li key=${address}>
      <a href=${link(state, "resources", version, address)}><code>${address}</code></a></li>`)}</ul>
  </section>`;
}

function Facts({ resource, version }) {
  return html`<section class="card part" aria-label="What it is"><dl class="facts">
    <div><dt>Version</dt><dd>${version}</dd></div>
    <div><dt>Type</dt><dd><code>${resource.type}</code></dd></div>
    <div><dt>Module</dt><dd>${resource.module ? html`<code>${resource.module}</code>` : "root module"}</dd></div>
    <div><dt>Provider</dt><dd><code>${resource.provider}</code></dd></div>
    ${resource.id && html`<div><dt>Id</dt><dd><code>${resource.id}</code></dd></div>`}
    ${resource.status && html`<div><dt>Status</dt><dd><span class="tag warn">${resource.status}</span></dd></div>`}
  </dl></section>`;
}

function Told({ answer, state, since }) {
  const { resource, version } = answer;
  if (!resource) return html`<${Notice}>${answer.not_shown.detail}<//>`;
  return html`<${Facts} resource=${resource} version=${version} />
    <h2>Attributes</h2>
    <${Attributes} resource=${resource} since=${since} />
    <${Graph} resource=${resource} state=${state} version=${version} />
    <${Neighbours} title="Depends on" none="It depends on nothing." addresses=${resource.depends_on} state=${state} version=${version} />
    <${Neighbours} title="Needed by" none="Nothing needs it." addresses=${resource.needed_by} state=${state} version=${version} />
    ${resource.truncated && html`<p class="soft">The lists are cut off.</p>`}`;
}

/** Shows the history, with the focus on its heading. */
function goToHistory() {
  const heading = document.getElementById("since-title");
  heading?.scrollIntoView({ block: "start" });
  heading?.focus({ preventScroll: true });
}

export function Resource({ version, address, query, ...names }) {
  const state = stateOf(names);
  const ask = (signal) => get(`${state.api}/versions/${version}/resources/${encodeURIComponent(address)}`, {}, { signal });
  const answer = useData(ask, []);
  const change = (attribute) => setQuery({ attribute });
  const since = (attribute) => {
    change(attribute);
    goToHistory();
  };
  return html`<${Frame} state=${state} part="resource" title=${address}>
    <${Asked} answer=${answer} what="Asking for the resource">
      ${(data) => html`<${Told} answer=${data} state=${state} since=${since} />`}
    <//>
    <${ResourceHistory} state=${state} address=${address} attribute=${query.attribute ?? ""} change=${change} />
  <//>`;
}
