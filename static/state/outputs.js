// The outputs of the current version.

import { html, useState } from "../vendor/preact-htm.js";
import { get } from "../api.js";
import { useData } from "../data.js";
import { Asked, Notice, Table } from "../components/basics.js";
import { Frame, Reveal, Value, hides, stateOf } from "./frame.js";

function Row({ name, output }) {
  return html`<tr>
    <th scope="row"><code>${name}</code></th>
    <td data-name="Value"><${Value} entry=${output} /></td>
    <td data-name="Type"><code>${typeof output.type === "string" ? output.type : JSON.stringify(output.type)}</code>
      ${output.sensitive && html` <span class="tag">sensitive</span>`}</td>
  </tr>`;
}

function All({ outputs }) {
  const names = Object.keys(outputs);
  if (names.length === 0) return html`<p>This version has no outputs.</p>`;
  return html`<${Table} heads=${["Output", "Value", "Type"]}>
    ${names.map((name) => html`<${Row} key=${name} name=${name} output=${outputs[name]} />`)}<//>`;
}

function Shown({ answer, clear, onReveal }) {
  const { outputs, not_shown: why, version } = answer;
  if (outputs === null) return html`<${Notice}>${why.detail}<//>`;
  return html`<p class="soft">Of version ${version}, which is current.</p>
    <${All} outputs=${outputs} />
    ${(clear || hides(Object.values(outputs))) && html`<${Reveal} clear=${clear} onReveal=${onReveal} />`}`;
}

export function Outputs(names) {
  const state = stateOf(names);
  const [clear, setClear] = useState(false);
  const ask = (signal) => get(`${state.api}/outputs`, clear ? { sensitive: true } : {}, { signal });
  const answer = useData(ask, [state.api, clear]);
  return html`<${Frame} state=${state} part="outputs" title=${`Outputs of ${state.name}`}>
    <${Asked} answer=${answer} what="Asking for the outputs">
      ${(data) => html`<${Shown} answer=${data} clear=${clear} onReveal=${() => setClear(true)} />`}
    <//>
  <//>`;
}
