// The event log: filtered, paged, and followed while one looks.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { get } from "../api.js";
import { plural } from "../format.js";
import { setQuery } from "../router.js";
import { session } from "../session.js";
import { FAMILIES, detailText, kindName } from "../words.js";
import { Failure, Loading, Notice, StateLink, Table, Time, View } from "../components/basics.js";

const PAGE = 50;
const FOLLOW_MS = 5_000;
/** A page reads a bounded number of events, so it may find none and still have a next one. */
const EMPTY_PAGES = 20;

const NAMES = ["workspace", "buildingBlock", "kind", "attention", "since"];

/** Loads until there is a row to show or the log is at its end. */
async function page(filter, before, signal) {
  const events = [];
  let next = before;
  for (let turn = 0; turn < EMPTY_PAGES; turn += 1) {
    const answer = await get("api/events", { ...filter, before: next, limit: PAGE }, { signal });
    events.push(...answer.events);
    next = answer.next;
    if (events.length > 0 || next === null) break;
  }
  return { events, next };
}

/** The newer rows before the older ones; an event that was counted on takes the place of itself. */
function merged(newer, older) {
  const known = new Set(newer.map((event) => event.seq));
  return newer.concat(older.filter((event) => !known.has(event.seq)));
}

function useLog(filter, follow) {
  const [log, setLog] = useState({ events: null, next: null, error: null, came: 0 });
  const control = useRef(null);
  const key = JSON.stringify(filter);
  useEffect(() => {
    control.current = new AbortController();
    const { signal } = control.current;
    setLog({ events: null, next: null, error: null, came: 0 });
    page(filter, undefined, signal).then(
      ({ events, next }) => signal.aborted || setLog({ events, next, error: null, came: 0 }),
      (error) => signal.aborted || setLog({ events: [], next: null, error, came: 0 }),
    );
    return () => control.current.abort();
  }, [key]);
  useEffect(() => {
    if (!follow) return undefined;
    const { signal } = control.current;
    const look = async () => {
      if (document.hidden) return;
      const { events, next } = await page(filter, undefined, signal).catch(() => ({ events: [], next: null }));
      if (signal.aborted || events.length === 0) return;
      setLog((before) => {
        if (before.events === null) return before;
        const newest = before.events[0]?.seq ?? 0;
        const came = events.filter((event) => event.seq > newest).length;
        // More came than a page has: what is between would be missing, so the list begins anew.
        if (came === events.length && next !== null) return { events, next, error: null, came };
        return { ...before, events: merged(events, before.events), came };
      });
    };
    const timer = setInterval(look, FOLLOW_MS);
    return () => clearInterval(timer);
  }, [key, follow]);
  const older = async () => {
    const { signal } = control.current;
    try {
      const { events, next } = await page(filter, log.next, signal);
      if (!signal.aborted) setLog((before) => ({ ...before, events: before.events.concat(events), next, error: null, came: 0 }));
    } catch (error) {
      if (!signal.aborted) setLog((before) => ({ ...before, error }));
    }
  };
  return { ...log, older };
}

function Row({ event }) {
  return html`<tr>
    <td data-name="When"><${Time} at=${event.at} relative /></td>
    <th scope="row">${kindName(event)}${event.count > 1 && ` × ${event.count}`}${event.attention && !event.acknowledged && html` <span class="tag warn">look at it</span>`}</th>
    <td data-name="By">${event.actor?.name ?? (event.address ? "nobody known" : "")}${event.address && html` <span class="soft">${event.address}</span>`}</td>
    <td data-name="State"><${StateLink} state=${event} />${event.version ? ` v${event.version}` : ""}</td>
    <td data-name="Detail" class="any soft">${detailText(event.detail)}</td>
  </tr>`;
}

function Filters({ filter, change }) {
  const scope = session.get()?.who;
  const text = (name, label) => html`<label class="field"><span>${label}</span>
    <input value=${filter[name] ?? ""} spellcheck=${false} autocomplete="off" onChange=${(event) => change({ [name]: event.target.value.trim() })} /></label>`;
  const known = filter.kind === undefined || FAMILIES.some(([kind]) => kind === filter.kind);
  return html`<form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
    ${!scope?.workspace && text("workspace", "Workspace")}
    ${text("buildingBlock", "Building block")}
    <label class="field"><span>Kind</span><select onChange=${(event) => change({ kind: event.target.value })}>
      <option value="" selected=${!filter.kind}>All kinds</option>
      ${!known && html`<option value=${filter.kind} selected>${filter.kind}</option>`}
      ${FAMILIES.map(([kind, name]) => html`<option value=${kind} selected=${filter.kind === kind}>${name}</option>`)}</select></label>
    <label class="field"><span>Since (your time)</span><input type="datetime-local" value=${filter.local ?? ""} onChange=${(event) => change({ local: event.target.value })} /></label>
    <label class="check"><input type="checkbox" checked=${filter.attention === "true"} onChange=${(event) => change({ attention: event.target.checked ? "true" : "" })} /> Needs a look</label>
  </form>`;
}

/** What is asked of the server, of what stands in the address. */
function asked(query) {
  const since = query.local ? new Date(query.local) : null;
  const filter = { ...query, since: since && !Number.isNaN(since.getTime()) ? since.toISOString() : undefined };
  return Object.fromEntries(NAMES.filter((name) => filter[name]).map((name) => [name, filter[name]]));
}

export function Events({ query }) {
  const [follow, setFollow] = useState(true);
  const { events, next, error, came, older } = useLog(asked(query), follow);
  const change = (part) => setQuery({ ...query, ...part });
  return html`<${View} title="Events" actions=${html`<label class="check"><input type="checkbox" checked=${follow} onChange=${(event) => setFollow(event.target.checked)} /> Follow</label>`}>
    <${Filters} filter=${query} change=${change} />
    <${Failure} error=${error} />
    <p class="hidden" role="status">${came > 0 ? plural(came, "new event") : ""}</p>
    ${events === null && html`<${Loading} what="Reading the log" />`}
    ${events?.length === 0 && !error && html`<${Notice}>No event fits.<//>`}
    ${events?.length > 0 && html`<${Table} heads=${["When", "What", "By", "State", "Detail"]}>
      ${events.map((event) => html`<${Row} key=${event.seq} event=${event} />`)}<//>`}
    ${next !== null && events !== null && html`<p><button type="button" onClick=${older}>Older events</button></p>`}
  <//>`;
}
