// A rollback: first what it would do, in words; then the version's number, typed; then what
// happened. It names the version that was current when the person looked, so that nobody's write
// in between is rolled back unseen.

import { html, useState } from "../vendor/preact-htm.js";
import { ApiError, send } from "../api.js";
import { useData } from "../data.js";
import { may } from "../session.js";
import { Confirm } from "../components/dialog.js";
import { Asked, Missing, Notice, Time } from "../components/basics.js";
import { Diff } from "./compare.js";
import { Frame, link, stateOf } from "./frame.js";

/** The refusal that a person may set aside. */
const REGRESSION = "encrypted";

function List({ action, title, addresses, children }) {
  if (addresses.length === 0) return null;
  return html`<section class=${`card group ${action}`}>
    <h2>${title} <span class="soft">${addresses.length}</span></h2>
    <p>${children}</p>
    <ul>${addresses.map((address) => html`<li key=${address}><code>${address}</code></li>`)}</ul>
  </section>`;
}

function Serial({ preview }) {
  const { serial, verbatim, version } = preview;
  if (verbatim) {
    return html`<p>The state is encrypted by OpenTofu, so it comes back under its old serial ${version.serial}.
      Plans that were saved while that serial was in use may be applied without a warning: throw them away.</p>`;
  }
  if (serial === null) return null;
  return html`<p>The new version has the serial <b>${serial}</b>, which was never used before.
    A plan that was saved before is refused, a fresh plan is right, and the next apply goes on from there.</p>`;
}

function Before({ preview }) {
  const { current, version, deleted, moved_to: moved } = preview;
  return html`<p>Version <b>${version.number}</b> (<${Time} at=${version.created_at} />, by ${version.created_by.name}) is stored again as a new version.
      ${current && !deleted && html` It replaces version <b>${current.number}</b> (<${Time} at=${current.created_at} />, by ${current.created_by.name}), which stays in the history.`}</p>
    ${deleted && html`<p>The state is deleted. The rollback brings it back.</p>`}
    ${moved && html`<p>The state was moved to ${moved.workspace}/${moved.buildingBlock}. The rollback moves it back here first.</p>`}`;
}

function Words({ preview }) {
  const { forgotten, recreated, terraform_version: program, lineage } = preview;
  return html`<${Before} preview=${preview} /><${Serial} preview=${preview} />
    ${program && html`<p>It was written by version ${program.to}, the current one by ${program.from}.</p>`}
    ${lineage && html`<p class="hint">It has another lineage than the current version: it is another state's history.</p>`}
    ${preview.not_compared && html`<p class="hint">What changes cannot be told: ${preview.not_compared.detail}</p>`}
    <${List} action="removed" title="Forgotten" addresses=${forgotten}>Terraform forgets these. They keep running, and nobody manages them any more.<//>
    <${List} action="added" title="Perhaps made again" addresses=${recreated}>These come back into the state. The next plan looks for them, and makes those that are gone.<//>
    ${preview.truncated && html`<p class="hint">The lists are cut off.</p>`}
    ${preview.diff && html`<details><summary>All that changes from the current version</summary><${Diff} diff=${preview.diff} /></details>`}`;
}

function Refused({ refused }) {
  if (refused.length === 0) return null;
  return html`<${Notice} kind="warn"><p>The server would refuse it now:</p>
    <ul>${refused.map(({ code, detail }) => html`<li key=${code}><code>${code}</code> ${detail}</li>`)}</ul><//>`;
}

async function rollBack(state, { version, current, deleted }, regress) {
  const expected = deleted || !current ? 0 : current.number;
  const body = { version: version.number, expected_current: expected };
  if (regress) body.allow_serial_regression = true;
  try {
    return await send("POST", `${state.api}/rollback`, { body });
  } catch (error) {
    if (error.code !== "not_current") throw error;
    throw new ApiError("Somebody has written meanwhile, so nothing was done. Close this and look again.", error);
  }
}

function Regression({ checked, onChange }) {
  return html`<p><label><input type="checkbox" checked=${checked} onChange=${(event) => onChange(event.target.checked)} />
    Take the old serial back, and throw away plans that were saved under it</label></p>`;
}

function Act({ state, preview, onDone }) {
  const [open, setOpen] = useState(false);
  const [regress, setRegress] = useState(false);
  const { number } = preview.version;
  const needsBox = preview.refused.some(({ code }) => code === REGRESSION);
  const stopped = preview.refused.some(({ code }) => code !== REGRESSION) || (needsBox && !regress);
  const act = async () => onDone(await rollBack(state, preview, regress));
  return html`${needsBox && html`<${Regression} checked=${regress} onChange=${setRegress} />`}
    <p><button type="button" class="danger" disabled=${stopped} onClick=${() => setOpen(true)}>Roll back to version ${number}…</button></p>
    ${open && html`<${Confirm} title=${`Roll back to version ${number}`} action="Roll back" typed=${number} act=${act} onClose=${() => setOpen(false)}>
      <p>Terraform takes version ${number} for what is there, from the next plan on.</p>
    <//>`}`;
}

function Done({ state, result, before }) {
  const { number, from_version: from, serial, unchanged } = result;
  return html`<${Notice} kind="good">
      ${unchanged
        ? html`<p>Version <b>${number}</b> was current already. Nothing was written.</p>`
        : html`<p>Version <b>${number}</b> is current now. It has the content of version ${from} and the serial ${serial}.</p>`}
      <p>Make a fresh plan before the next apply.</p>
    <//>
    <p><a href=${link(state)}>Back to the history</a></p>
    ${before && !unchanged && html`<p><a href=${link(state, "compare", number, before.number)}>What has changed</a></p>`}`;
}

function Preview({ state, preview, onDone, again }) {
  if (preview.unchanged) return html`<p>Version ${preview.version.number} is current already. There is nothing to roll back.</p>`;
  return html`<${Words} preview=${preview} /><${Refused} refused=${preview.refused} />
    ${may("TFSTATE_SAVE")
      ? html`<${Act} state=${state} preview=${preview} onDone=${onDone} />`
      : html`<${Missing} permission="TFSTATE_SAVE" to="roll back" />`}
    <p><button type="button" onClick=${again}>Look again</button></p>`;
}

export function Rollback({ to, ...names }) {
  const state = stateOf(names);
  const [done, setDone] = useState(null);
  const ask = () => send("POST", `${state.api}/rollback`, { body: { version: Number(to), dry_run: true } });
  const answer = useData(ask, []);
  return html`<${Frame} state=${state} part="rollback" title=${`Roll back to version ${to}`}>
    ${done !== null
      ? html`<${Done} state=${state} result=${done} before=${answer.data.current} />`
      : html`<${Asked} answer=${answer} what="Looking at what would happen">
        ${(preview) => html`<${Preview} state=${state} preview=${preview} onDone=${setDone} again=${answer.reload} />`}
      <//>`}
  <//>`;
}
