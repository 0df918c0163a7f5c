// Making a key, and giving one a new secret. A token may do neither, so the form asks for the
// secret of the reader's own key once more, sends it with this one request, and forgets it.

import { html, useState } from "../vendor/preact-htm.js";
import { send } from "../api.js";
import { session } from "../session.js";
import { Copy } from "../components/copy.js";
import { Dialog } from "../components/dialog.js";
import { Failure, Notice } from "../components/notice.js";

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

/** The new secret, which is shown this once. */
function Secret({ answer, onClose }) {
  return html`<div class="form">
    <${Notice} kind="warn">The secret is shown this once. Store it safely before you close this.<//>
    <code class="secret" tabindex="0">${answer.secret}</code>
    <div class="buttons"><${Copy} text=${answer.secret} label="Copy the secret" /><button type="button" onClick=${onClose}>I have stored it</button></div>
  </div>`;
}

/** A form that sends the reader's own secret with its one request. */
function WithSecret({ title, action, request, onClose, done, children }) {
  const [own, setOwn] = useState("");
  const [{ busy, error, answer }, setState] = useState({ busy: false, error: null, answer: null });
  const submit = async (event) => {
    event.preventDefault();
    if (busy) return;
    setState({ busy: true, error: null, answer: null });
    try {
      const secret = own.trim();
      setOwn("");
      const [method, path, body] = request();
      setState({ busy: false, error: null, answer: await send(method, path, { body, secret }) });
      done();
    } catch (failure) {
      setState({ busy: false, error: failure, answer: null });
    }
  };
  const name = session.get()?.who.key?.name ?? "your key";
  if (answer) {
    return html`<${Dialog} title=${`The secret of ${answer.key.name}`} onClose=${onClose}><${Secret} answer=${answer} onClose=${onClose} /><//>`;
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
