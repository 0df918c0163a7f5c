// The API keys: list, create, rotate, revoke. A token may neither make a key nor give one a new
// secret, so these forms ask for the secret of the reader's own key once more, send it with this one
// request, and forget it.

import { html, useState } from "../vendor/preact-htm.js";
import { pages, send } from "../api.js";
import { useData } from "../data.js";
import { plural } from "../format.js";
import { may, session } from "../session.js";
import { Failure, Loading, Missing, Permissions, Secret, Status, Table, Time, View, scope } from "../components/basics.js";
import { Confirm, Dialog } from "../components/dialog.js";

async function all(signal) {
  const keys = [];
  await pages("api/keys", { limit: 200 }, (page) => keys.push(...page.keys), signal);
  return keys;
}

function Row({ row, own, rotate, revoke }) {
  const live = row.status === "active";
  return html`<tr class=${live ? "" : "quiet"}>
    <th scope="row">${row.name}${own && html` <span class="tag">yours</span>`}</th>
    <td data-name="Scope">${scope(row)}</td>
    <td data-name="Permissions"><${Permissions} names=${row.permissions} />${row.client_sans[0] && html`<p class="hint">with a certificate for ${row.client_sans.join(", ")}</p>`}</td>
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

const HEADS = ["Name", "Scope", "Permissions", "Status", "Last used", "Ends"];

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
    ${data === null ? !error && html`<${Loading} what="Loading the keys" />` : html`<${Table} caption=${plural(rows.length, "key")} heads=${HEADS} more="Actions">
      ${rows.map((row) => html`<${Row} key=${row.id} row=${row} own=${row.id === own}
        rotate=${() => open({ kind: "rotate", row })} revoke=${() => open({ kind: "revoke", row })} />`)}<//>`}
    ${dialog?.kind === "create" && html`<${CreateKey} onClose=${close} done=${reload} />`}
    ${dialog?.kind === "rotate" && html`<${RotateKey} row=${dialog.row} onClose=${close} done=${reload} />`}
    ${dialog?.kind === "revoke" && html`<${Revoke} row=${dialog.row} own=${dialog.row.id === own} onClose=${close} done=${reload} />`}
  <//>`;
}

const DAY_S = 86_400;

const ROLES = {
  reader: ["reader", "reads states and history"],
  outputs: ["outputs", "reads outputs that are not sensitive"],
  planner: ["planner", "plans, and writes nothing"],
  writer: ["writer", "plans and applies"],
  owner: ["owner", "also deletes, and reads the event log"],
  auditor: ["auditor", "sees lists, history, comparisons and events, and no content"],
  monitor: ["monitor", "sees the server's status, for no workspace"],
  admin: ["admin", "may do everything, for no workspace"],
};

const ENDS = [["30", "in 30 days"], ["90", "in 90 days"], ["365", "in a year"], ["1", "in a day"], ["", "never"]];

/** A form that sends the reader's own secret with its one request. */
function WithSecret({ title, action, request, onClose, done, children }) {
  const [own, setOwn] = useState("");
  const [{ busy, error, answer }, setState] = useState({});
  const submit = async (event) => {
    event.preventDefault();
    if (busy) return;
    setState({ busy: true });
    try {
      const secret = own.trim();
      setOwn("");
      const [method, path, body] = request();
      setState({ answer: await send(method, path, { body, secret }) });
      done();
    } catch (failure) {
      setState({ error: failure });
    }
  };
  const name = session.get()?.who.key?.name ?? "your key";
  if (answer) {
    return html`<${Dialog} title=${`The secret of ${answer.key.name}`} onClose=${onClose}><${Secret} secret=${answer.secret} onClose=${onClose} /><//>`;
  }
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <form class="form" onSubmit=${submit}>
      ${children}
      <label class="field"><span>Secret of ${name}, once more</span>
        <input type="password" required autocomplete="off" spellcheck=${false} value=${own} aria-describedby="own-hint" onInput=${(event) => setOwn(event.target.value)} /></label>
      <p class="hint" id="own-hint">A token may not make keys, so the session's is not enough.</p>
      <${Failure} error=${error} />
      <div class="buttons"><button class="primary" disabled=${busy}>${busy ? "One moment…" : action}</button><button type="button" onClick=${onClose}>Cancel</button></div>
    </form>
  <//>`;
}

export function CreateKey({ onClose, done }) {
  const [form, setForm] = useState({ name: "", workspace: session.get()?.who.workspace ?? "", buildingBlock: "", role: "writer", days: "90" });
  const change = (name) => (event) => setForm({ ...form, [name]: event.target.value });
  const request = () => ["POST", "api/keys", {
    name: form.name.trim(),
    role: form.role,
    ...(form.workspace.trim() && { workspace: form.workspace.trim() }),
    ...(form.buildingBlock.trim() && { buildingBlock: form.buildingBlock.trim() }),
    ...(form.days && { expires_in: Number(form.days) * DAY_S }),
  }];
  const text = (name, label, more = {}) => html`<label class="field"><span>${label}</span>
    <input value=${form[name]} autocomplete="off" spellcheck=${false} onInput=${change(name)} ...${more} /></label>`;
  return html`<${WithSecret} title="Create a key" action="Create" request=${request} onClose=${onClose} done=${done}>
    ${text("name", "Name", { required: true })}
    <label class="field"><span>Role</span><select onChange=${change("role")}>
      ${Object.entries(ROLES).map(([role, [name, what]]) => html`<option value=${role} selected=${form.role === role}>${name}: ${what}</option>`)}</select></label>
    ${text("workspace", "Workspace (empty: all)")}
    ${text("buildingBlock", "Building block (empty: all of the workspace)")}
    <label class="field"><span>Ends</span><select onChange=${change("days")}>
      ${ENDS.map(([days, what]) => html`<option value=${days} selected=${form.days === days}>${what}</option>`)}</select></label>
  <//>`;
}

const GRACES = [["0", "ends at once"], ["3600", "works for another hour"], ["86400", "works for another day"], ["604800", "works for another 7 days"]];

export function RotateKey({ row, onClose, done }) {
  const [grace, setGrace] = useState("0");
  const request = () => ["POST", `api/keys/${encodeURIComponent(row.id)}/rotate`, { grace: Number(grace) }];
  return html`<${WithSecret} title=${`Rotate ${row.name}`} action="Make a new secret" request=${request} onClose=${onClose} done=${done}>
    <label class="field"><span>The old secret</span><select onChange=${(event) => setGrace(event.target.value)}>
      ${GRACES.map(([seconds, what]) => html`<option value=${seconds} selected=${grace === seconds}>${what}</option>`)}</select></label>
  <//>`;
}
