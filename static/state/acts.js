// What people do with a state or one version of it: download, hold, release, delete, restore.

import { html, useState } from "../vendor/preact-htm.js";
import { getResponse, send } from "../api.js";
import { may } from "../session.js";
import { Confirm } from "../components/dialog.js";
import { Act, Missing } from "../components/basics.js";

/** Saves the bytes of an answer as a file. */
async function save(path, name) {
  const blob = await (await getResponse(path)).blob();
  const address = URL.createObjectURL(blob);
  const link = Object.assign(document.createElement("a"), { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** Saves the exact bytes of a version; of the current one if no number is given. */
export function Download({ state, version = null }) {
  const from = version === null ? state.api : `${state.api}/versions/${version}`;
  const file = [state.workspace, state.buildingBlock, version ?? "current"].join("-");
  const label = version === null ? "Download the current version" : `Download version ${version}`;
  return html`<${Act} label=${label} act=${() => save(from, `${file}.tfstate`)} />`;
}

function HoldForm({ state, number, onClose, onDone }) {
  const [reason, setReason] = useState("");
  const act = async () => {
    await send("POST", `${state.api}/versions/${number}/hold`, { body: { reason: reason.trim() } });
    onDone(`Version ${number} is held. Nothing prunes it while it is.`);
  };
  return html`<${Confirm} title=${`Hold version ${number}`} action="Hold it" danger=${false} act=${act} onClose=${onClose}>
    <p>A held version is neither pruned nor purged until it is released.</p>
    <label class="field"><span>Why it is held</span>
      <input required maxlength="500" autocomplete="off" value=${reason} onInput=${(event) => setReason(event.target.value)} />
    </label>
  <//>`;
}

/** Holds a version, so that nothing prunes it, or releases it. */
export function Hold({ state, row, onDone }) {
  const [open, setOpen] = useState(false);
  if (!may("ADM_OPERATE")) return html`<${Missing} permission="ADM_OPERATE" to="hold versions" />`;
  const release = async () => {
    await send("DELETE", `${state.api}/versions/${row.number}/hold`);
    onDone(`Version ${row.number} is released. A policy may prune it.`);
  };
  if (row.held) return html`<${Act} label=${`Release version ${row.number}`} act=${release} />`;
  return html`<button type="button" onClick=${() => setOpen(true)}>Hold version ${row.number}…</button>
    ${open && html`<${HoldForm} state=${state} number=${row.number} onDone=${onDone} onClose=${() => setOpen(false)} />`}`;
}

/** Deletes a live state. */
export function Delete({ state, onDone }) {
  const [open, setOpen] = useState(false);
  if (!may("TFSTATE_DELETE")) return html`<${Missing} permission="TFSTATE_DELETE" to="delete the state" />`;
  const act = async () => {
    const { version } = await send("DELETE", state.api);
    onDone(`The state is deleted. Version ${version} and all before it stay, and it can be restored.`);
  };
  return html`<button type="button" class="danger" onClick=${() => setOpen(true)}>Delete the state…</button>
    ${open && html`<${Confirm} title="Delete the state" action="Delete it" typed=${state.name} act=${act} onClose=${() => setOpen(false)}>
      <p>Clients find no state here any more, so the next apply makes everything again. What runs keeps running, and nobody manages it.</p>
      <p>The history stays, and the state can be restored.</p>
    <//>`}`;
}

/** Brings a state back that is deleted or has left. */
export function Restore({ state, onDone }) {
  if (!may("TFSTATE_SAVE")) return html`<${Missing} permission="TFSTATE_SAVE" to="restore the state" />`;
  const act = async () => {
    const { number } = await send("POST", `${state.api}/restore`);
    onDone(`The state is back. Version ${number} is current.`);
  };
  return html`<p>The version that was current last becomes current again.</p>
    <${Act} label="Restore the state" act=${act} />`;
}
