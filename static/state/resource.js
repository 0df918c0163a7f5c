// One resource of a version: its attributes, masked by the server, its neighbours, and what has
// changed it.

import { html } from "../vendor/preact-htm.js";
import { get } from "../api.js";
import { useData } from "../data.js";
import { setQuery } from "../router.js";
import { Asked, Notice, Table } from "../components/basics.js";
import { Frame, Value, link, stateOf } from "./frame.js";
import { Graph } from "./graph.js";
import { ResourceHistory } from "./resource_history.js";

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
