// The API keys: list, create, rotate, revoke.

import { html, useState } from "../vendor/preact-htm.js";
import { pages, send } from "../api.js";
import { useData } from "../data.js";
import { plural } from "../format.js";
import { may, session } from "../session.js";
import { Confirm } from "../components/dialog.js";
import { Failure, Loading, Missing } from "../components/notice.js";
import { Time } from "../components/time.js";
import { View } from "../components/view.js";
import { CreateKey, RotateKey } from "./key_forms.js";

async function all(signal) {
  const keys = [];
  const more = (page) => (page.next ? { after: page.next } : null);
  await pages("api/keys", { limit: 200 }, more, (page) => keys.push(...page.keys), signal);
  return keys;
}

function scope(key) {
  if (key.workspace === null) return "everything";
  return key.buildingBlock === null ? key.workspace : `${key.workspace}/${key.buildingBlock}`;
}

/** All permissions are too many for a line. */
function Permissions({ names }) {
  if (names.length <= 3) return html`<span class="mono">${names.join(" ")}</span>`;
  return html`<details><summary>${plural(names.length, "permission")}</summary><span class="mono">${names.join(" ")}</span></details>`;
}

function Status({ status }) {
  const kind = { active: "good", expired: "warn", revoked: "bad" }[status] ?? "";
  return html`<span class=${`tag ${kind}`}>${status}</span>`;
}

function Row({ row, own, rotate, revoke }) {
  const live = row.status === "active";
  return html`<tr class=${live ? "" : "quiet"}>
    <th scope="row">${row.name}${own && html` <span class="tag">yours</span>`}</th>
    <td data-name="Scope">${scope(row)}</td>
    <td data-name="Permissions"><${Permissions} names=${row.permissions} /></td>
    <td data-name="Status"><${Status} status=${row.status} /></td>
    <td data-name="Last used"><${Time} at=${row.last_used_at} relative /></td>
    <td data-name="Ends"><${Time} at=${row.revoked_at ?? row.expires_at} relative otherwise="never" /></td>
    <td class="act">${live && html`
      ${may("ADM_APIKEY_SAVE") && html`<button type="button" onClick=${rotate} aria-label=${`Rotate ${row.name}`}>Rotate</button> `}
      ${may("ADM_APIKEY_DELETE") && html`<button type="button" class="danger" onClick=${revoke} aria-label=${`Revoke ${row.name}`}>Revoke</button>`}`}</td>
  </tr>`;
}

function Revoke({ row, own, onClose, done }) {
  const [children, setChildren] = useState(false);
  const act = async () => {
    await send("DELETE", `api/keys/${encodeURIComponent(row.id)}`, { query: children ? { children: true } : {} });
    done();
  };
  return html`<${Confirm} title=${`Revoke ${row.name}?`} action="Revoke" typed=${row.name} act=${act} onClose=${onClose}>
    <p>The key and all its tokens end at once. What uses them is refused from then on. This cannot be undone.</p>
    ${own && html`<p><b>You are signed in with this key, so you are signed out too.</b></p>`}
    <label class="check"><input type="checkbox" checked=${children} onChange=${(event) => setChildren(event.target.checked)} /> Also revoke the keys that it made</label>
  <//>`;
}

export function Keys() {
  const { data, error, reload } = useData(all, []);
  const [dialog, open] = useState(null);
  const [ended, showEnded] = useState(false);
  const close = () => open(null);
  const own = session.get()?.who.key?.id;
  const rows = (data ?? []).filter((row) => ended || row.status === "active");
  const create = may("ADM_APIKEY_SAVE") && html`<button type="button" class="primary" onClick=${() => open({ kind: "create" })}>Create a key</button>`;
  return html`<${View} title="Keys" actions=${create}>
    ${!may("ADM_APIKEY_SAVE") && html`<${Missing} permission="ADM_APIKEY_SAVE" to="create or rotate keys" />`}
    ${!may("ADM_APIKEY_DELETE") && html`<${Missing} permission="ADM_APIKEY_DELETE" to="revoke keys" />`}
    <${Failure} error=${error} again=${reload} />
    <label class="check"><input type="checkbox" checked=${ended} onChange=${(event) => showEnded(event.target.checked)} /> Also show expired and revoked keys</label>
    ${data === null ? !error && html`<${Loading} what="Loading the keys" />` : html`<table class="table">
      <caption>${plural(rows.length, "key")}</caption>
      <thead><tr>${["Name", "Scope", "Permissions", "Status", "Last used", "Ends"].map((name) => html`<th scope="col">${name}</th>`)}<th scope="col"><span class="hidden">Actions</span></th></tr></thead>
      <tbody>${rows.map((row) => html`<${Row} key=${row.id} row=${row} own=${row.id === own}
        rotate=${() => open({ kind: "rotate", row })} revoke=${() => open({ kind: "revoke", row })} />`)}</tbody>
    </table>`}
    ${dialog?.kind === "create" && html`<${CreateKey} onClose=${close} done=${reload} />`}
    ${dialog?.kind === "rotate" && html`<${RotateKey} row=${dialog.row} onClose=${close} done=${reload} />`}
    ${dialog?.kind === "revoke" && html`<${Revoke} row=${dialog.row} own=${dialog.row.id === own} onClose=${close} done=${reload} />`}
  <//>`;
}
