// The lock, told in full, and how it is broken: by quoting the lock that is shown, so that one that
// somebody took meanwhile stays. Beside it the freeze: who froze the state, until when and why.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { ApiError, send } from "../api.js";
import { number, operation, plural } from "../format.js";
import { may } from "../session.js";
import { Missing, Time } from "../components/basics.js";
import { Confirm } from "../components/dialog.js";

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
  return html`${plural(count, "time")}, last <${Time} at=${latest.at} /> key <b>${latest.key?.name ?? "not known"}</b>${" "}
    from ${latest.address}${latest.who && html`, <code>${latest.who}</code>`}`;
}

/** One who waits for the lock, as `waiting` tells it. */
export function Waiter({ one }) {
  return html`<b>${one.key.name}</b>${one.who && html` <code>${one.who}</code>`} waits for ${operation(one.operation)}, first asked <${Time} at=${one.since} relative />`;
}

/** Why the holder can write no more, as `died` tells it. */
export function Dead({ died: { since, why } }) {
  return html`dead: its credentials ${why === "ended" || why === "expired" ? "" : "were "}${why}${since && html` <${Time} at=${since} relative />`}; the next run that locks gets it`;
}

function Facts({ held }) {
  const { last_write: write } = held;
  return html`<dl class="facts">
    <${Fact} name="Taken"><${Time} at=${held.locked_at} relative /> (<${Time} at=${held.locked_at} />)<//>
    <${Fact} name="By key"><b>${held.key.name}</b> from ${held.address}<//>
    ${held.died && html`<${Fact} name="Holder"><${Dead} died=${held.died} /><//>`}
    <${Sent} lock=${held.lock} />
    <${Fact} name="Last write">${write ? html`version ${write.version}, <${Time} at=${write.at} />` : "nothing yet"}<//>
    <${Fact} name="Turned away"><${TurnedAway} refused=${held.refused} /><//>
    <${Fact} name="Waiting">${held.waiting.length > 0
      ? held.waiting.map((one) => html`<div key=${one.key.id + one.id}><${Waiter} one=${one} /> from ${one.address}, ${plural(one.asked, "time")}</div>`)
      : "nobody"}<//>
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

const MOST_DAYS = 366;
const two = (number) => String(number).padStart(2, "0");

/** What a field for a moment in the reader's time takes. */
function local(date) {
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** Freezes one state behind the other; those that could not be frozen are told with the reason. */
async function freezeEach(states, body, tell, isGone) {
  const failed = [];
  let frozen = 0;
  for (const state of states) {
    if (isGone()) break;
    const error = await send("POST", `${state.api}/freeze`, { body }).then(() => null, (reason) => reason);
    if (error) failed.push({ name: state.name, error });
    else frozen += 1;
    tell(frozen + failed.length);
  }
  return { frozen, failed, left: states.length - frozen - failed.length };
}

/** Asks for the reason and the end of a freeze. `onDone` gets {frozen, failed, left}, also if it is closed on the way. */
export function FreezeForm({ states, onClose, onDone }) {
  const [{ reason, until }, setForm] = useState({ reason: "", until: "" });
  const [count, tell] = useState(0);
  const isGone = useRef(false);
  useEffect(() => () => {
    isGone.current = true;
  }, []);
  const many = states.length > 1;
  const act = async () => {
    const body = { reason: reason.trim() };
    if (until !== "") body.until = new Date(until).toISOString();
    const result = await freezeEach(states, body, tell, () => isGone.current);
    if (!many && result.failed.length > 0) throw result.failed[0].error;
    onDone(result);
  };
  const now = Date.now();
  return html`<${Confirm} title=${many ? `Freeze ${plural(states.length, "state")}` : "Freeze the state"} action=${many ? "Freeze them" : "Freeze it"}
    typed=${many ? states.length : null} danger=${many} act=${act} onClose=${onClose}>
    <p>Writes, locks, rollbacks, deletes and moves are refused, and clients show who froze it and why.
      Reads and plans go on, and so does an apply that holds the lock already.</p>
    <label class="field"><span>Why it is frozen</span>
      <input required maxlength="200" autocomplete="off" value=${reason} onInput=${(event) => setForm({ reason: event.target.value, until })} /></label>
    <label class="field"><span>Until, in your time (empty: until it is lifted)</span>
      <input type="datetime-local" min=${local(new Date(now))} max=${local(new Date(now + MOST_DAYS * 86_400_000))} value=${until}
        onInput=${(event) => setForm({ reason, until: event.target.value })} /></label>
    ${many && html`<p role="status">${count > 0 && `${number(count)} of ${number(states.length)}…`}</p>`}
  <//>`;
}

/** The button that lifts a freeze. */
export function Lift({ state, frozen, onDone }) {
  const [open, setOpen] = useState(false);
  const act = async () => {
    await send("DELETE", `${state.api}/freeze`);
    onDone("The freeze is lifted.");
  };
  return html`<button type="button" onClick=${() => setOpen(true)}>Lift the freeze…</button>
    ${open && html`<${Confirm} title=${`Lift the freeze of ${state.name}`} action="Lift it" danger=${false} act=${act} onClose=${() => setOpen(false)}>
      <p><b>${frozen.frozen_by.name}</b> froze it: ${frozen.reason}. From then on clients may change it again.</p>
    <//>`}`;
}

function FreezeFacts({ frozen }) {
  return html`<dl class="facts">
    <${Fact} name="Why">${frozen.reason}<//>
    <${Fact} name="By">${frozen.frozen_by.name}<//>
    <${Fact} name="Since"><${Time} at=${frozen.frozen_at} /><//>
    <${Fact} name="Until"><${Time} at=${frozen.until} otherwise="it is lifted" /><//>
  </dl>`;
}

function FreezeOrLift({ state, frozen, onDone }) {
  const [open, setOpen] = useState(false);
  if (!may("TFSTATE_FREEZE")) {
    return html`<${Missing} permission="TFSTATE_FREEZE" to=${frozen ? "lift the freeze" : "freeze the state"} />`;
  }
  if (frozen) return html`<${Lift} state=${state} frozen=${frozen} onDone=${onDone} />`;
  return html`<button type="button" onClick=${() => setOpen(true)}>Freeze the state…</button>
    ${open && html`<${FreezeForm} states=${[state]} onDone=${() => onDone("The state is frozen. Nothing changes it now.")} onClose=${() => setOpen(false)} />`}`;
}

/** `frozen` is the freeze that holds now, or null. */
export function Freeze({ state, frozen, onDone }) {
  return html`<section class=${`card part ${frozen ? "held" : ""}`} aria-labelledby="freeze-title">
    <h2 id="freeze-title">Freeze</h2>
    ${frozen ? html`<p>The state is frozen: nothing changes it.</p><${FreezeFacts} frozen=${frozen} />` : html`<p>The state is not frozen.</p>`}
    <${FreezeOrLift} state=${state} frozen=${frozen} onDone=${onDone} />
  </section>`;
}
