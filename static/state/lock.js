// The lock, told in full, and how it is broken: by quoting the lock that is shown, so that one
// that somebody took meanwhile stays.

import { html, useState } from "../vendor/preact-htm.js";
import { ApiError, send } from "../api.js";
import { plural } from "../format.js";
import { may } from "../session.js";
import { Confirm } from "../components/dialog.js";
import { Missing } from "../components/notice.js";
import { Time } from "../components/time.js";

/** What Terraform sends, in its order. Anything else that a holder sent is shown behind it. */
const TOLD = ["Operation", "Who", "Info", "ID", "Version", "Path", "Created"];

function Fact({ name, children }) {
  return html`<div><dt>${name}</dt><dd>${children}</dd></div>`;
}

function Sent({ lock }) {
  const names = [...TOLD, ...Object.keys(lock).filter((name) => !TOLD.includes(name))];
  const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
  const filled = names.filter((name) => lock[name] !== undefined && lock[name] !== "");
  return filled.map((name) => html`<${Fact} key=${name} name=${name}><code>${text(lock[name])}</code><//>`);
}

function TurnedAway({ refused: { count, latest } }) {
  if (!latest) return "nobody";
  return html`${plural(count, "time")}, last <${Time} at=${latest.at} /> key <b>${latest.key?.name ?? "not known"}</b>
    from ${latest.address}${latest.who && html`, <code>${latest.who}</code>`}`;
}

function Facts({ held }) {
  const { last_write: write } = held;
  return html`<dl class="facts">
    <${Fact} name="Taken"><${Time} at=${held.locked_at} relative /><//>
    <${Fact} name="Since"><${Time} at=${held.locked_at} /><//>
    <${Fact} name="By key"><b>${held.key.name}</b> from ${held.address}<//>
    <${Sent} lock=${held.lock} />
    <${Fact} name="Last write">${write ? html`version ${write.version}, <${Time} at=${write.at} />` : "nothing yet"}<//>
    <${Fact} name="Turned away"><${TurnedAway} refused=${held.refused} /><//>
  </dl>`;
}

async function breakLock(state, { ID }) {
  try {
    await send("DELETE", `${state.api}/lock`, { body: { ID } });
  } catch (error) {
    if (error.status !== 409 && error.status !== 423) throw error;
    throw new ApiError("The lock has changed meanwhile, so nothing was broken. Close this and look at the lock that is there now.", error);
  }
}

function Break({ state, held, onDone }) {
  const [open, setOpen] = useState(false);
  const { lock, key } = held;
  const act = async () => {
    await breakLock(state, lock);
    onDone("The lock is broken. The state can be locked again.");
  };
  return html`<button type="button" class="danger" onClick=${() => setOpen(true)}>Break the lock…</button>
    ${open && html`<${Confirm} title="Break the lock" action="Break it" act=${act} onClose=${() => setOpen(false)}>
      <p>Lock <code>${lock.ID}</code>${lock.Operation && html`, <code>${lock.Operation}</code>`}, of key <b>${key.name}</b>${lock.Who && html`, <code>${lock.Who}</code>`}.</p>
      <p>If its run is still alive, another run may change the same things beside it. Ask its holder first.
        The event log says who broke it.</p>
    <//>`}`;
}

/** The lock as `GET …/lock` tells it, or null. */
export function Lock({ state, held, onDone }) {
  return html`<section class=${`card part ${held ? "held" : ""}`} aria-labelledby="lock-title">
    <h2 id="lock-title">Lock</h2>
    ${held === null && html`<p>Nobody holds a lock.</p>`}
    ${held !== null && html`<${Facts} held=${held} />`}
    ${held !== null && (may("TFSTATE_UNLOCK")
      ? html`<${Break} key=${held.lock.ID} state=${state} held=${held} onDone=${onDone} />`
      : html`<${Missing} permission="TFSTATE_UNLOCK" to="break another key's lock" />`)}
  </section>`;
}
