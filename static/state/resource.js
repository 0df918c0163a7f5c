// One resource of a version: its attributes, masked by the server, and its neighbours.

import { html } from "../vendor/preact-htm.js";
import { get } from "../api.js";
import { useData } from "../data.js";
import { Notice } from "../components/notice.js";
import { Asked, Frame, link, stateOf } from "./frame.js";
import { Value } from "./values.js";

function Attributes({ resource }) {
  if (resource.hidden) return html`<${Notice}>All attributes are secret, so none is shown.<//>`;
  if (resource.too_long) return html`<${Notice}>The attributes are too large to be shown. Download the version to see them.<//>`;
  const names = Object.keys(resource.attributes ?? {});
  if (names.length === 0) return html`<p>There are no attributes.</p>`;
  return html`<table class="table">
    <thead><tr><th scope="col">Attribute</th><th scope="col">Value</th></tr></thead>
    <tbody>${names.map((name) => html`<tr key=${name}>
      <th scope="row"><code>${name}</code></th>
      <td data-name="Value"><${Value} entry=${{ value: resource.attributes[name] }} /></td>
    </tr>`)}</tbody>
  </table>
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

function Told({ answer, state }) {
  const { resource, version } = answer;
  if (!resource) return html`<${Notice}>${answer.not_shown.detail}<//>`;
  return html`<${Facts} resource=${resource} version=${version} />
    <h2>Attributes</h2>
    <${Attributes} resource=${resource} />
    <${Neighbours} title="Depends on" none="It depends on nothing." addresses=${resource.depends_on} state=${state} version=${version} />
    <${Neighbours} title="Needed by" none="Nothing needs it." addresses=${resource.needed_by} state=${state} version=${version} />
    ${resource.truncated && html`<p class="soft">The lists are cut off.</p>`}`;
}

export function Resource({ version, address, ...names }) {
  const state = stateOf(names);
  const ask = (signal) => get(`${state.api}/versions/${version}/resources/${encodeURIComponent(address)}`, {}, { signal });
  const answer = useData(ask, []);
  return html`<${Frame} state=${state} part="resource" title=${address}>
    <${Asked} answer=${answer} what="Asking for the resource">
      ${(data) => html`<${Told} answer=${data} state=${state} />`}
    <//>
  <//>`;
}
