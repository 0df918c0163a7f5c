// One state: what it is now, who holds it, what happened to it, and what can be done with it.

import { html, useState } from "../vendor/preact-htm.js";
import { get } from "../api.js";
import { useData } from "../data.js";
import { number, size } from "../format.js";
import { may } from "../session.js";
import { Asked, Missing, Notice, Time } from "../components/basics.js";
import { Writes, activityOf, writesInWords } from "../components/chart.js";
import { Delete, Download, Restore } from "../state/acts.js";
import { Freeze, Lock } from "../state/lock.js";
import { Frame, stateOf } from "../state/frame.js";
import { History } from "../state/history.js";

function Current({ current }) {
  return html`<div><dt>Current version</dt><dd>${current.number}, serial ${current.serial}</dd></div>
    <div><dt>Written</dt><dd><${Time} at=${current.created_at} relative /> by ${current.created_by.name}</dd></div>
    <div><dt>Resources</dt><dd>${current.resources === null ? "not known, it is encrypted" : number(current.resources)}</dd></div>
    <div><dt>Program</dt><dd>${current.terraform_version ?? "not known"}</dd></div>
    <div><dt>Size</dt><dd>${size(current.size)}</dd></div>`;
}

function Activity({ row }) {
  const { data, error } = useData((signal) => activityOf(row, signal).then((activity) => ({ activity })), []);
  if (error) return html`<span class="soft">not known: ${error.message}</span>`;
  if (data?.activity) return html`${writesInWords(data.activity)} <${Writes} activity=${data.activity} />`;
  return data ? "none in the last 6 weeks" : "…";
}

function Facts({ row }) {
  return html`<dl class="facts">
    ${row.current ? html`<${Current} current=${row.current} />` : html`<div><dt>Current version</dt><dd>none</dd></div>`}
    <div><dt>Versions</dt><dd>${number(row.versions)}, ${size(row.history_size)} on disk</dd></div>
    ${row.versions > 0 && html`<div><dt>Writes</dt><dd><${Activity} row=${row} /></dd></div>`}
    ${row.deleted_at && html`<div><dt>Gone</dt><dd><${Time} at=${row.deleted_at} relative /></dd></div>`}
    ${row.transferred_to && html`<div><dt>Left for</dt><dd><code>${row.transferred_to}</code></dd></div>`}
  </dl>`;
}

function Acts({ state, row, onDone }) {
  return html`<section class="card part" aria-labelledby="acts-title">
    <h2 id="acts-title">${row.deleted_at ? "Restore" : "Download and delete"}</h2>
    ${row.current && (may("TFSTATE_LIST")
      ? html`<p><${Download} state=${state} /><span class="soft"> The event log records it.</span></p>`
      : html`<${Missing} permission="TFSTATE_LIST" to="download the state" />`)}
    ${row.deleted_at && html`<${Restore} state=${state} onDone=${onDone} />`}
    ${row.current && html`<div><${Delete} state=${state} onDone=${onDone} /></div>`}
  </section>`;
}

function Whole({ state, row, onDone }) {
  return html`<section class="card part" aria-label="What it is now"><${Facts} row=${row} /></section>
    <div class="pair"><${Lock} state=${state} held=${row.lock} onDone=${onDone} />
      ${row.current && html`<${Freeze} state=${state} frozen=${row.frozen} onDone=${onDone} />`}</div>
    <${History} state=${state} onDone=${onDone} />
    <${Acts} state=${state} row=${row} onDone=${onDone} />`;
}

/** For keys that may see its history. */
function Listed({ state, onDone }) {
  const { workspace, buildingBlock } = state;
  const ask = (signal) => get("api/terraform/state", { workspace, buildingBlock, deleted: true }, { signal });
  const answer = useData(ask, [state.api]);
  return html`<${Asked} answer=${answer} what="Asking for the state">
    ${({ states }) => states.length === 0
      ? html`<p>Your key sees no state of this name. The first apply makes it.</p>`
      : html`<${Whole} state=${state} row=${states[0]} onDone=${onDone} />`}
  <//>`;
}

/** The lock and the freeze, or null: a state without either is 404. */
const lockOf = (state, signal) =>
  get(`${state.api}/lock`, {}, { signal }).catch((error) => {
    if (error.code !== "no_lock") throw error;
    return null;
  });

function LockAlone({ state, onDone }) {
  const answer = useData((signal) => lockOf(state, signal).then((held) => ({ held })), [state.api]);
  return html`<${Asked} answer=${answer} what="Asking for the lock">
    ${({ held }) => html`<${Lock} state=${state} held=${held?.lock ? held : null} onDone=${onDone} />
      ${held?.frozen && html`<${Freeze} state=${state} frozen=${held.frozen} onDone=${onDone} />`}`}
  <//>`;
}

/** For the others: what they may see all the same. */
function Limited({ state, onDone }) {
  return html`<${Missing} permission="TFSTATE_INSPECT" to="see the history of states" />
    ${may("TFSTATE_PLAN") && html`<${LockAlone} state=${state} onDone=${onDone} />
      <p><${Download} state=${state} /><span class="soft"> The event log records it.</span></p>`}
    ${!may("TFSTATE_PLAN") && html`<${Missing} permission="TFSTATE_PLAN" to="see its lock" />`}`;
}

export function State(names) {
  const state = stateOf(names);
  const [{ round, said }, setRound] = useState({ round: 0, said: null });
  const onDone = (words) => setRound({ round: round + 1, said: words });
  const Shown = may("TFSTATE_INSPECT") ? Listed : Limited;
  return html`<${Frame} state=${state} part="">
    ${said && html`<${Notice} kind="good">${said}<//>`}
    <${Shown} key=${round} state=${state} onDone=${onDone} />
  <//>`;
}
