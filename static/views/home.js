// What needs a person now: one line each, with one action. Problems, locks, freezes, acts that wait
// for a second person, and events to look at.

import { html, useState } from "../vendor/preact-htm.js";
import { get, send } from "../api.js";
import { useData, useNow } from "../data.js";
import { dateOf, number, operation, plural, size, span } from "../format.js";
import { href } from "../router.js";
import { SearchBox } from "./find.js";
import { may, session } from "../session.js";
import { detailText, kindName } from "../words.js";
import { Failure, Loading, Missing, Notice, StateLink, Time, View } from "../components/basics.js";
import { Confirm } from "../components/dialog.js";
import { stateOf } from "../state/frame.js";
import { Dead, Lift, Waiter } from "../state/lock.js";

/** `level` is warn, bad or nothing. `what` is read first, `more` says it in full. */
function Line({ level = "", what, more = null, action = null }) {
  return html`<li class=${level}><div class="what">${what}${more && html` <span class="more">${more}</span>`}</div>${action}</li>`;
}

/** `children` is a list of lines; `empty` stands where there are none. */
function Section({ title, note = null, empty, children }) {
  const id = `section-${title.toLowerCase().replaceAll(" ", "-")}`;
  return html`<section aria-labelledby=${id}><h2 id=${id}>${title}</h2>
    ${children.length > 0 ? html`<ul class="todo">${children}</ul>` : html`<p class="soft">${empty}</p>`}${note}
  </section>`;
}

const MOST = 100;
const to = (row, part = "") => href(`/states/${row.workspace}/${row.buildingBlock}${part}`);

/** The first states that fit, if they are many. */
const statesOf = (query, signal) => get("api/terraform/state", { limit: MOST, ...query }, { signal });

function Frozen({ row, reload }) {
  const { frozen } = row;
  const action = may("TFSTATE_FREEZE")
    ? html`<${Lift} state=${stateOf(row)} frozen=${frozen} onDone=${reload} />`
    : html`<a class="button" href=${to(row)}>Look</a>`;
  return html`<${Line} what=${html`<b><${StateLink} state=${row} /></b> is frozen: ${frozen.reason}`}
    more=${html`by ${frozen.frozen_by.name} <${Time} at=${frozen.frozen_at} relative />, ${frozen.until ? html`ends <${Time} at=${frozen.until} relative />` : "until it is lifted"}`}
    action=${action} />`;
}

function Freezes({ frozen, reload }) {
  const note = frozen.next && html`<p><a href=${href("/states", { show: "frozen" })}>All frozen states</a></p>`;
  return html`<${Section} title="Freezes" empty="No state is frozen." note=${note}>
    ${frozen.states.map((row) => html`<${Frozen} key=${`${row.workspace}/${row.buildingBlock}`} row=${row} reload=${reload} />`)}
  <//>`;
}

/** Each act in words, and what a key needs to approve it. */
const ACTS = {
  purge: ["purge content", "ADM_TFSTATE_PURGE"],
  prune: ["prune versions", "ADM_OPERATE"],
  policy: ["set or remove a policy", "ADM_OPERATE"],
  "admin-key": ["make a key or a trust for all workspaces", "ADM_APIKEY_SAVE"],
};

function Act({ label, title, action, method, approval, words, danger, reload, children }) {
  const [open, setOpen] = useState(false);
  const act = async () => {
    await send(method, `api/approvals/${encodeURIComponent(approval.id)}`);
    reload();
  };
  return html`<button type="button" onClick=${() => setOpen(true)}>${label}<span class="hidden"> request ${approval.id}</span></button>
    ${open && html`<${Confirm} title=${title} action=${action} danger=${danger} act=${act} onClose=${() => setOpen(false)}>
      <p><b>${approval.asked_by.name}</b> asks to ${words}:</p>
      <p class="asked"><code>${detailText(approval.what)}</code></p>
      ${children}
    <//>`}`;
}

function Acts({ approval, words, needs, own, reload }) {
  const rest = { approval, words, reload };
  if (own) {
    return html`<${Act} ...${rest} label="Take back…" title="Take the request back" action="Take it back" method="DELETE" danger=${false}>
      <p>It is not done unless you ask again.</p><//>`;
  }
  if (!may(needs)) return html`<${Missing} permission=${needs} to="approve it" />`;
  return html`<span class="buttons">
    ${!approval.approved_by && html`<${Act} ...${rest} label="Approve…" title="Approve this act" action="Approve it" method="POST" danger=${true}>
      <p>The key that asked may then do just this, once, within an hour. It may be impossible to undo.</p><//>`}
    <${Act} ...${rest} label="Refuse…" title="Refuse this act" action="Refuse it" method="DELETE" danger=${false}>
      <p>It is not done. The key that asked may ask again.</p><//>
  </span>`;
}

function Approval({ approval, reload }) {
  const [words, needs] = ACTS[approval.act] ?? [String(approval.act), "ADM_OPERATE"];
  const { asked_by: by, approved_by: given } = approval;
  const own = by.id === session.get()?.who.key?.id;
  const state = given
    ? `approved by ${given.name}; ${own ? "send it again" : `${by.name} has to send it again`}`
    : `waits for ${own ? "" : "you or "}another key`;
  return html`<${Line} level=${given || own ? "" : "warn"}
    what=${html`<b>${by.name}</b> asks to ${words}: <code>${detailText(approval.what)}</code>`}
    more=${html`<${Time} at=${approval.asked_at} relative />, ${state}, it ends <${Time} at=${approval.ends_at} relative />`}
    action=${html`<${Acts} approval=${approval} words=${words} needs=${needs} own=${own} reload=${reload} />`} />`;
}

function Approvals({ approvals, reload }) {
  return html`<${Section} title="Approvals" empty="No act waits for a second person.">
    ${approvals.map((approval) => html`<${Approval} key=${approval.id} approval=${approval} reload=${reload} />`)}
  <//>`;
}

const EVERY_MS = 15_000;
/** How many of those that wait for a lock are named in its line. */
const WAITERS = 3;
const EVENTS = 30;
const EVENT_DAYS = 14;
/** A lock that is older than an hour is seldom that of an apply. */
const OLD_LOCK_MS = 3_600_000;

/** What to do about a problem of /readyz, in words: by its code, or by the first word of it. */
const ADVICE = {
  damaged_versions: "Look at the log, and restore or purge what is damaged.",
  damaged_rows: "Run `statekeep verify` on the server machine.",
  verify_findings: "Run `statekeep verify` on the server machine.",
  initial_key_left: "Store the secret safely, and remove the file.",
  mirror_behind: "Read the server's log.",
  tls: "Replace the certificate and its key.",
  purge_unfinished: "Make room on the disk, or end the reader that delays it.",
  backup: "Read the server's log, and run `statekeep backup`.",
  drill_failed: "Take another backup, and try to restore it.",
  disk_full: "Make room on the disk.",
  database_gone: "Leave the server running until its data is saved.",
  store: "Read the server's log.",
};

const PROBLEM_LINKS = {
  keys_end_soon: ["Look at the keys", href("/keys")],
  bound_keys_shut_out: ["Look at the keys", href("/keys")],
  hooks_failing: ["Look at the webhooks", href("/hooks")],
  damaged_versions: ["Look at the log", href("/events", { kind: "version.damaged" })],
  damaged_rows: ["Look at the log", href("/events", { kind: "row.damaged" })],
};

function Problem({ problem, reload }) {
  const [asks, ask] = useState(false);
  const [text, link] = PROBLEM_LINKS[problem.code] ?? [];
  let action = link ? html`<a class="button" href=${link}>${text}</a>` : null;
  if (problem.code === "clock_in_doubt" && may("ADM_OPERATE")) {
    action = html`<button type="button" onClick=${() => ask(true)}>The clock is right</button>`;
  }
  const confirm = async () => {
    await send("POST", "api/clock");
    reload();
  };
  return html`<${Line} level="bad" action=${action}
    what=${html`<b>${String(problem.detail)}</b>`} more=${ADVICE[problem.code] ?? ADVICE[problem.code.split("_")[0]]} />
    ${asks && html`<${Confirm} title="Is the server's clock right?" action="It is right" danger=${false} act=${confirm} onClose=${() => ask(false)}>
      <p>Removal by age goes on with the time that the server has now. If the clock is wrong, versions and events may be removed too early.</p>
    <//>`}`;
}

function Lock({ state }) {
  const now = useNow();
  const { lock } = state;
  const isOld = lock.died || now - dateOf(lock.locked_at) > OLD_LOCK_MS;
  const write = lock.last_write
    ? html`last write v${lock.last_write.version} <${Time} at=${lock.last_write.at} relative />`
    : "nothing written under it";
  const { count, latest } = lock.refused;
  const more = lock.waiting.length - WAITERS;
  return html`<${Line} level=${isOld ? "warn" : ""}
    what=${html`<b><${StateLink} state=${state} /></b> is locked for ${operation(lock.lock?.Operation)}, taken <${Time} at=${lock.locked_at} relative />${lock.died && html`, and <${Dead} died=${lock.died} />`}`}
    more=${html`by ${lock.key?.name ?? "an unknown key"}${lock.lock?.Who ? ` (${lock.lock.Who})` : ""} · ${write}${latest && ` · ${plural(count, "refused try", "refused tries")}, last by ${latest.key?.name ?? "an unknown key"}`}
      ${lock.waiting.slice(0, WAITERS).map((one) => html` · <${Waiter} one=${one} />`)}${more > 0 && ` · ${number(more)} more wait`}`}
    action=${html`<a class="button" href=${to(state)}>${isOld ? "Look and break" : "Look"}</a>`} />`;
}

/** A key that may write what an event is about may say that it was looked at. */
function Acknowledge({ event, reload }) {
  const [open, setOpen] = useState(false);
  const [word, setWord] = useState("");
  const act = async () => {
    await send("POST", `api/events/${event.seq}/acknowledge`, { body: { word: word.trim() || null } });
    reload();
  };
  return html`<button type="button" onClick=${() => setOpen(true)}>Acknowledge…</button>
    ${open && html`<${Confirm} title="Acknowledge the event" action="I have looked at it" danger=${false} act=${act} onClose=${() => setOpen(false)}>
      <p>The event stays in the log, with your key's name and your word.</p>
      <label class="field"><span>A word on it, if there is one</span>
        <input value=${word} maxlength="500" autocomplete="off" onInput=${(change) => setWord(change.target.value)} />
      </label>
    <//>`}`;
}

/** `unapplied` is a version that was kept and is newer than the current one. */
function Attention({ event, unapplied = false, reload }) {
  const mayAcknowledge = may("ADM_OPERATE") || (event.workspace && may("TFSTATE_SAVE"));
  const where = event.buildingBlock && html`: <${StateLink} state=${event} />`;
  const link = where ? to(event, unapplied ? `/rollback/${event.version}` : "") : href("/events", { kind: event.kind });
  return html`<${Line} level="warn"
    what=${html`<b>${kindName(event)}</b>${where}${event.version ? ` v${event.version}` : ""}`}
    more=${html`${event.actor && `by ${event.actor.name} `}<${Time} at=${event.at} relative />`}
    action=${html`<span class="buttons"><a class="button" href=${link}>${unapplied ? "Compare" : "Look"}</a>
      ${mayAcknowledge && html`<${Acknowledge} event=${event} reload=${reload} />`}</span>`} />`;
}

/** Whether an event is of a version that was kept and is newer than the current one. */
async function isNewest({ kind, workspace, buildingBlock, version }, signal) {
  if (kind !== "state.write_rejected" || !may("TFSTATE_INSPECT")) return false;
  const { states } = await statesOf({ workspace, buildingBlock, deleted: true, fields: "current.number" }, signal);
  return states.length > 0 && !(states[0].current?.number > version);
}

/** Everything that there is to do, as far as the key may see it. */
async function look(signal) {
  const since = new Date(Date.now() - EVENT_DAYS * 86_400_000).toISOString();
  const [health, locked, events, status, frozen, { approvals }] = await Promise.all([
    get("readyz", {}, { signal, accept: [503] }),
    may("TFSTATE_INSPECT") && statesOf({ locked: true, fields: "workspace,buildingBlock,lock" }, signal),
    may("EVENTLOG_LIST") && get("api/events", { attention: true, acknowledged: false, since, limit: EVENTS }, { signal }),
    may("ADM_STATUS") && get("api/status", {}, { signal }),
    may("TFSTATE_INSPECT") && statesOf({ frozen: true, fields: "workspace,buildingBlock,frozen" }, signal),
    get("api/approvals", {}, { signal }),
  ]);
  const kept = new Set();
  for (const event of events?.events ?? []) if (await isNewest(event, signal)) kept.add(event);
  const locks = locked ? locked.states.filter((state) => state.lock) : [];
  locks.sort((one, other) => String(one.lock.locked_at).localeCompare(String(other.lock.locked_at)));
  return { health, locks, moreLocks: Boolean(locked?.next), kept, events: events?.events ?? [], moreEvents: Boolean(events?.next), status, frozen, approvals };
}

function Backup({ backup }) {
  if (!backup) return "none by itself";
  if (!backup.last) return "none yet";
  return html`<${Time} at=${backup.last.at} relative />, ${size(backup.last.size)}${backup.drill && html`, tried <${Time} at=${backup.drill.at} relative />`}`;
}

function Server({ status }) {
  const facts = [
    ["States", number(status.states)],
    ["Versions", number(status.versions)],
    ["Keys", number(status.keys)],
    ["Database", size(status.database_size)],
    ["Free on the disk", size(status.free_space)],
    ["Backup", html`<${Backup} backup=${status.backup} />`],
    ["Last verified", html`<${Time} at=${status.verified_at} relative otherwise="not yet" />`],
    ["Version", status.version],
    ["Up for", span((Date.now() - dateOf(status.started_at)) / 1_000)],
  ];
  return html`<section aria-labelledby="server"><h2 id="server">The server</h2>
    <dl class="figures">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
  </section>`;
}

function Found({ found, reload }) {
  const { health, locks, kept, events, status, frozen, approvals } = found;
  const attention = (event) => html`<${Attention} key=${event.seq} event=${event} unapplied=${kept.has(event)} reload=${reload} />`;
  const problems = health.problems ?? [];
  const count = problems.length + locks.length + events.length + (frozen ? frozen.states.length : 0) + approvals.length;
  return html`
    ${count === 0 && html`<${Notice} kind="good">Nothing needs you.<//>`}
    <${Section} title="Problems" empty=${`None. The server is ${String(health.status).replace("_", " ")}.`}>
      ${problems.map((problem) => html`<${Problem} key=${problem.code} problem=${problem} reload=${reload} />`)}
    <//>
    ${may("TFSTATE_INSPECT")
      ? html`<${Section} title="Locks" empty="No state is locked." note=${found.moreLocks && html`<p><a href=${href("/states", { show: "locked" })}>All locked states</a></p>`}>
          ${locks.map((state) => html`<${Lock} key=${`${state.workspace}/${state.buildingBlock}`} state=${state} />`)}<//>`
      : html`<${Missing} permission="TFSTATE_INSPECT" to="see locks and freezes" />`}
    ${frozen && html`<${Freezes} frozen=${frozen} reload=${reload} />`}
    ${kept.size > 0 && html`<${Section} title="Versions that nobody applied">${[...kept].map(attention)}<//>`}
    ${approvals.length > 0 && html`<${Approvals} approvals=${approvals} reload=${reload} />`}
    ${may("EVENTLOG_LIST")
      ? html`<${Section} title="Events to look at" empty=${`None in the last ${EVENT_DAYS} days.`} note=${found.moreEvents && html`<p><a href=${href("/events", { attention: true })}>All of them, in the log</a></p>`}>
          ${events.filter((event) => !kept.has(event)).map(attention)}<//>`
      : html`<${Missing} permission="EVENTLOG_LIST" to="read the event log" />`}
    ${status ? html`<${Server} status=${status} />` : html`<${Missing} permission="ADM_STATUS" to="see the server's figures" />`}`;
}

export function Home() {
  const { data, error, reload } = useData(look, [], { every: EVERY_MS });
  return html`<${View} title="What needs me">
    ${may("TFSTATE_INSPECT") && html`<${SearchBox} />`}
    <${Failure} error=${error} again=${reload} />
    ${data === null ? !error && html`<${Loading} what="Asking the server" />` : html`<${Found} found=${data} reload=${reload} />`}
  <//>`;
}
