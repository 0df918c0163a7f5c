// All states that the key may see: found as one types, filtered and sorted in the page.

import { html, useEffect, useMemo, useRef, useState } from "../vendor/preact-htm.js";
import { pages } from "../api.js";
import { useData } from "../data.js";
import { dateOf, number, plural, size } from "../format.js";
import { setQuery } from "../router.js";
import { may } from "../session.js";
import { stateOf } from "../state/frame.js";
import { FreezeForm } from "../state/lock.js";
import { Bar, Damaged, Failure, Notice, StateLink, Time, View } from "../components/basics.js";
import { Writes, activityOfAll, writesInWords } from "../components/chart.js";
import { Rows } from "../components/rows.js";

const FIELDS = [
  "workspace", "buildingBlock", "versions", "size", "updated_at", "deleted_at", "transferred_to",
  "current.number", "current.encrypted", "current.resources", "current.created_at", "lock.locked_at", "lock.key", "frozen.reason",
].join(",");
const PAGE = 1_000;
const DAY_MS = 86_400_000;
const WIDE_ROW = 40;
const NARROW_ROW = 88;

const SHOWS = {
  live: ["All", (row) => !row.isGone],
  locked: ["Locked", (row) => row.lock !== null],
  frozen: ["Frozen", (row) => row.frozen !== null],
  encrypted: ["Encrypted", (row) => row.encrypted && !row.isGone],
  gone: ["Deleted or moved away", (row) => row.isGone],
};

const SORTS = {
  name: ["Name", (one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0)],
  written: ["Last write", (one, other) => one.written - other.written],
  versions: ["Versions", (one, other) => one.versions - other.versions],
  resources: ["Resources", (one, other) => one.resources - other.resources],
  size: ["Size", (one, other) => one.bytes - other.bytes],
};

/** What the list needs of a state, looked up once. */
function rowOf(state) {
  const name = `${state.workspace}/${state.buildingBlock}`;
  return {
    state,
    name,
    found: name.toLowerCase(),
    lock: state.lock,
    frozen: state.frozen,
    isGone: state.deleted_at !== null,
    encrypted: state.current?.encrypted === true,
    resources: state.current?.resources ?? -1,
    versions: state.versions,
    bytes: state.size ?? 0,
    written: dateOf(state.current?.created_at ?? state.updated_at)?.getTime() ?? 0,
  };
}

/** All pages, one behind the other. The list is there with the first one. */
function useStates() {
  const [list, setList] = useState({ rows: [], damaged: [], done: false, error: null });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const control = new AbortController();
    let rows = [];
    let damaged = [];
    const each = (page) => {
      rows = rows.concat(page.states.map(rowOf));
      damaged = damaged.concat(page.damaged ?? []);
      // What is there stays while it is loaded again.
      if (turn === 0 || !page.next) setList({ rows, damaged, done: !page.next, error: null });
    };
    pages("api/terraform/state", { deleted: true, fields: FIELDS, limit: PAGE }, each, control.signal).catch((error) => {
      if (!control.signal.aborted) setList({ rows, damaged, done: true, error });
    });
    return () => control.abort();
  }, [turn]);
  return { ...list, reload: () => setTurn((count) => count + 1) };
}

function chosen(rows, { text, show, days, sort, down }) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const before = Number(days) > 0 ? Date.now() - Number(days) * DAY_MS : Infinity;
  const fits = (SHOWS[show] ?? SHOWS.live)[1];
  const found = rows.filter((row) => fits(row) && row.written < before && words.every((word) => row.found.includes(word)));
  const compare = (SORTS[sort] ?? SORTS.name)[1];
  found.sort((one, other) => (down ? -compare(one, other) : compare(one, other)));
  return found;
}

function Flags({ row }) {
  const { state } = row;
  return html`
    ${row.lock && html`<span class="tag warn" title=${`By ${row.lock.key?.name ?? "an unknown key"}`}>locked</span> `}
    ${row.frozen && html`<span class="tag warn" title=${row.frozen.reason}>frozen</span> `}
    ${row.encrypted && html`<span class="tag">encrypted</span> `}
    ${state.transferred_to !== null ? html`<span class="tag">moved away</span>` : row.isGone && html`<span class="tag bad">deleted</span>`}`;
}

function Cells({ row, given: { largest, activity } }) {
  return html`
    <div role="cell" class="cell name"><${StateLink} state=${row.state} /></div>
    <div role="cell" class="cell flags"><${Flags} row=${row} /></div>
    <div role="cell" class="cell" data-name="written"><${Time} at=${row.written || null} relative otherwise="never" /></div>
    <div role="cell" class="cell number" data-name="versions">${number(row.versions)}</div>
    <div role="cell" class="cell number" data-name="resources">${row.resources < 0 ? "–" : number(row.resources)}</div>
    <div role="cell" class="cell number" data-name="size">${size(row.state.size)}</div>
    <div role="cell" class="cell bar-cell"><${Bar} value=${row.bytes} of=${largest} /></div>
    <div role="cell" class="cell bar-cell">${activity && html`<${Writes} activity=${activity.byName.get(row.name)} />`}</div>`;
}

function Head({ filter, change }) {
  const column = (name, text, kind = "") => {
    const direction = filter.sort !== name ? "none" : filter.down ? "descending" : "ascending";
    const sortBy = () => change({ sort: name, down: filter.sort === name ? !filter.down : name !== "name" });
    return html`<div role="columnheader" class=${`cell ${kind}`} aria-sort=${direction}><button type="button" onClick=${sortBy}>${text}</button></div>`;
  };
  return html`${column("name", "Name")}
    <div role="columnheader" class="cell">Marks</div>
    ${column("written", "Last write")}${column("versions", "Versions", "number")}${column("resources", "Resources", "number")}${column("size", "Size", "number")}
    <div role="columnheader" class="cell bar-cell"><span class="hidden">Size as a bar</span></div>
    <div role="columnheader" class="cell bar-cell">Writes, 6 weeks</div>`;
}

function Filters({ filter, change }) {
  return html`<form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
    <label class="field"><span>Find by name (press / to come here)</span>
      <input type="search" value=${filter.text} spellcheck=${false} autocomplete="off" aria-keyshortcuts="/"
        onInput=${(event) => change({ text: event.target.value })} /></label>
    <label class="field"><span>Show</span>
      <select value=${filter.show} onChange=${(event) => change({ show: event.target.value })}>
        ${Object.entries(SHOWS).map(([name, [text]]) => html`<option value=${name} selected=${filter.show === name}>${text}</option>`)}
      </select></label>
    <label class="field"><span>Not written for days</span>
      <input type="number" min="0" max="9999" inputmode="numeric" value=${filter.days} onInput=${(event) => change({ days: event.target.value })} /></label>
  </form>`;
}

/** Freezes all states that are found; says afterwards which are frozen and which are not, and why. */
function FreezeFound({ found, reload }) {
  const [open, setOpen] = useState(null);
  const [result, setResult] = useState(null);
  const states = found.filter((row) => !row.isGone && row.frozen === null && row.state.current).map((row) => stateOf(row.state));
  const done = (told) => {
    setResult(told);
    reload();
  };
  return html`${result && html`<${Notice} kind=${result.failed.length + result.left > 0 ? "warn" : "good"}>
      ${plural(result.frozen, "state is", "states are")} frozen.${result.left > 0 && ` ${plural(result.left, "state was", "states were")} not tried, since you closed the window.`}
      ${result.failed.length > 0 && html`<ul>${result.failed.map(({ name, error }) => html`<li key=${name}>${name} is not: ${error.message}</li>`)}</ul>`}<//>`}
    ${states.length > 1 && html`<button type="button" onClick=${() => setOpen(states)}>Freeze these ${number(states.length)}…</button>`}
    ${open && html`<${FreezeForm} states=${open} onDone=${done} onClose=${() => setOpen(null)} />`}`;
}

function useNarrow() {
  const media = useMemo(() => matchMedia("(max-width: 60rem)"), []);
  const [narrow, setNarrow] = useState(media.matches);
  useEffect(() => {
    const look = () => setNarrow(media.matches);
    media.addEventListener("change", look);
    return () => media.removeEventListener("change", look);
  }, []);
  return narrow;
}

function useFilter(query) {
  const [filter, setFilter] = useState({
    text: query.q ?? "", show: query.show ?? "live", days: query.days ?? "", sort: query.sort ?? "name", down: query.down === "true",
  });
  const timer = useRef(0);
  const change = (part) => {
    const next = { ...filter, ...part };
    setFilter(next);
    clearTimeout(timer.current);
    const { text, show, days, sort, down } = next;
    // Browsers bound how often the address may change.
    timer.current = setTimeout(() => setQuery({
      q: text, show: show === "live" ? "" : show, days, sort: sort === "name" ? "" : sort, down,
    }), 300);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  return [filter, change];
}

export function States({ query }) {
  const { rows, damaged, done, error, reload } = useStates();
  const [filter, change] = useFilter(query);
  const narrow = useNarrow();
  const found = useMemo(() => chosen(rows, filter), [rows, filter]);
  const activity = useData(activityOfAll, []);
  const given = useMemo(() => ({
    largest: rows.reduce((most, row) => Math.max(most, row.bytes), 0), activity: activity.data,
  }), [rows, activity.data]);
  const count = `${number(found.length)} of ${number(rows.length)} ${rows.length === 1 ? "state" : "states"}${done ? "" : ", and more are coming"}`;
  return html`<${View} title="States" actions=${html`<button type="button" onClick=${reload}>Load again</button>`}>
    <${Filters} filter=${filter} change=${change} />
    <p class="soft" role="status">${rows.length === 0 && !done ? "Loading the states…" : count}</p>
    ${activity.data && html`<p class="total"><span>${writesInWords(activity.data.total)}</span> <${Writes} activity=${activity.data.total} /></p>`}
    ${done && may("TFSTATE_FREEZE") && html`<${FreezeFound} found=${found} reload=${reload} />`}
    <${Failure} error=${error ?? activity.error} again=${reload} />
    <${Damaged} rows=${damaged} what="listed" />
    ${done && rows.length === 0 && !error && html`<${Notice}>There is no state yet. A state comes into being with its first write: run <code>statekeep configure</code> in a root module, and then <code>terraform apply</code>.<//>`}
    ${rows.length > 0 && (found.length > 0
      ? html`<${Rows} items=${found} height=${narrow ? NARROW_ROW : WIDE_ROW} label="States"
          head=${html`<${Head} filter=${filter} change=${change} />`} keyOf=${(row) => row.name}
          given=${given} draw=${(row, more) => html`<${Cells} row=${row} given=${more} />`} />`
      : html`<p>No state fits. <button type="button" class="plain" onClick=${() => change({ text: "", show: "live", days: "" })}>Show all</button></p>`)}
  <//>`;
}
