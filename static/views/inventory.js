// What the states are made of: programs, providers, types; the largest, the busiest, and those that
// nobody has applied for long. The server counts page by page, and the page adds up.

import { html, useEffect, useState } from "../vendor/preact-htm.js";
import { get } from "../api.js";
import { dateOf, number, plural, size } from "../format.js";
import { href, setQuery } from "../router.js";
import { Bar, Damaged, Failure, StateLink, Table, Time, View } from "../components/basics.js";

const PAGE = 1_000;
/** So many pages are counted until a person is asked whether to go on. */
const PAGES = 25;
/** Rows of each list. */
const TOP = 10;

const WHY = {
  behind: "whose index follows within seconds",
  encrypted: "encrypted by OpenTofu",
  not_indexed: "unreadable, or too large for the index",
  nothing_written: "only locked",
  too_many: "with more than 20,000 instances",
};

const NOTHING = {
  states: 0, bytes: 0, history: 0, damaged: [], why: {}, programs: {}, providers: {}, types: {}, largest: [], busiest: [], oldest: [],
};

function added(one, other) {
  const sum = { ...one };
  for (const [name, count] of Object.entries(other)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}

/** The first rows of an order that fit, of those that were first before and of new ones. */
const first = (rows, more, order, fits = () => true) => rows.concat(more.filter(fits)).sort(order).slice(0, TOP);

const written = (row) => dateOf(row.written_at)?.getTime() ?? 0;

function withPage(sum, { states, sums, damaged = [] }) {
  const why = {};
  for (const { not_counted: reason } of states) if (reason !== null) why[reason] = (why[reason] ?? 0) + 1;
  return {
    states: sum.states + sums.states,
    bytes: sum.bytes + sums.size,
    history: sum.history + sums.history_size,
    damaged: sum.damaged.concat(damaged),
    why: added(sum.why, why),
    programs: added(sum.programs, sums.terraform_versions),
    providers: added(sum.providers, sums.providers),
    types: added(sum.types, sums.types),
    largest: first(sum.largest, states, (one, other) => other.size - one.size, (row) => row.size > 0),
    busiest: first(sum.busiest, states, (one, other) => other.versions - one.versions, (row) => row.versions > 0),
    oldest: first(sum.oldest, states, (one, other) => written(one) - written(other), (row) => written(row) > 0),
  };
}

/** Adds page to page. `more` goes on where the count has stopped. */
function useCount(workspace) {
  const [state, setState] = useState({ sum: NOTHING, next: undefined, counting: true, error: null });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const control = new AbortController();
    const { signal } = control;
    const page = (after) => get("api/inventory", { workspace, after, limit: PAGE }, { signal });
    let { sum, next } = turn === 0 ? { sum: NOTHING, next: undefined } : state;
    const count = async () => {
      for (let pages = 0; pages < PAGES && next !== null; pages += 1) {
        const answer = await page(next);
        if (signal.aborted) return;
        [sum, next] = [withPage(sum, answer), answer.next];
        setState({ sum, next, counting: next !== null && pages + 1 < PAGES, error: null });
      }
    };
    setState((before) => ({ ...before, counting: true, error: null }));
    count().catch((error) => signal.aborted || setState((before) => ({ ...before, counting: false, error })));
    return () => control.abort();
  }, [turn]);
  return { ...state, more: () => setTurn((count) => count + 1) };
}

/** Names with their counts, the most first; all of them on request. */
function Tally({ title, name, unit, counts, link = null }) {
  const [all, showAll] = useState(false);
  const rows = Object.entries(counts).sort(([one, few], [other, many]) => many - few || (one < other ? -1 : 1));
  const most = rows[0]?.[1] ?? 0;
  const id = `tally-${name}`;
  return html`<section aria-labelledby=${id}><h2 id=${id}>${title} <span class="soft">${number(rows.length)}</span></h2>
    ${rows.length === 0 ? html`<p class="soft">None is known.</p>` : html`<${Table} kind="tally" heads=${[name, unit]} more="As a bar">
      ${(all ? rows : rows.slice(0, TOP)).map(([key, count]) => html`<tr key=${key}>
        <th scope="row" class="any">${link ? html`<a href=${link(key)}><code>${key}</code></a>` : html`<code>${key}</code>`}</th>
        <td data-name=${unit} class="number">${number(count)}</td><td class="share"><${Bar} value=${count} of=${most} /></td></tr>`)}<//>`}
    ${rows.length > TOP && !all && html`<p><button type="button" onClick=${() => showAll(true)}>All ${number(rows.length)} <span class="hidden">of ${title}</span></button></p>`}
  </section>`;
}

function States({ title, name, rows, value }) {
  const id = `states-${name.toLowerCase().replaceAll(" ", "-")}`;
  return html`<section aria-labelledby=${id}><h2 id=${id}>${title}</h2>
    ${rows.length === 0 ? html`<p class="soft">None.</p>` : html`<${Table} heads=${["State", name]}>
      ${rows.map((row) => html`<tr key=${`${row.workspace}/${row.buildingBlock}`}>
        <th scope="row" class="any"><${StateLink} state=${row} /></th><td data-name=${name}>${value(row)}</td></tr>`)}<//>`}
  </section>`;
}

function Figures({ sum }) {
  const instances = Object.values(sum.types).reduce((all, count) => all + count, 0);
  const facts = [
    ["States", number(sum.states)],
    ["Resources", number(instances)],
    ["Current versions", size(sum.bytes)],
    ["All versions, on disk", size(sum.history)],
  ];
  const missing = Object.entries(sum.why).map(([why, count]) => `${plural(count, "state")} ${WHY[why] ?? why}`);
  return html`<dl class="figures">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    ${missing.length > 0 && html`<p class="soft">Resources are not counted of ${missing.join(", ")}.</p>`}`;
}

function Counted({ sum }) {
  return html`<${Figures} sum=${sum} />
    <${Damaged} rows=${sum.damaged} what="counted" />
    <div class="columns">
      <${Tally} title="Programs" name="Version" unit="States" counts=${sum.programs} />
      <${Tally} title="Providers" name="Provider" unit="Resources" counts=${sum.providers} />
      <${Tally} title="Types" name="Type" unit="Resources" counts=${sum.types} link=${(type) => href("/find", { q: type, kind: "resource" })} />
      <${States} title="Not applied for long" name="Last write" rows=${sum.oldest} value=${(row) => html`<${Time} at=${row.written_at} relative />`} />
      <${States} title="Largest states" name="Size" rows=${sum.largest} value=${(row) => size(row.size)} />
      <${States} title="Most often changed" name="Versions" rows=${sum.busiest} value=${(row) => number(row.versions)} />
    </div>`;
}

function Count({ workspace }) {
  const { sum, next, counting, error, more } = useCount(workspace);
  const said = counting ? `Counting: ${plural(sum.states, "state")} so far…` : `${plural(sum.states, "state")} counted${next ? ", and there are more" : ""}.`;
  return html`<p class="soft" role="status">${said}</p>
    <${Failure} error=${error} again=${more} />
    ${!counting && next && !error && html`<p><button type="button" onClick=${more}>Count on</button></p>`}
    ${sum.states > 0 && html`<${Counted} sum=${sum} />`}`;
}

export function Inventory({ query }) {
  const workspace = query.workspace ?? "";
  const change = (event) => setQuery({ workspace: event.target.value.trim() });
  return html`<${View} title="Inventory">
    <form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
      <label class="field"><span>Workspace (empty: all)</span>
        <input value=${workspace} spellcheck=${false} autocomplete="off" aria-keyshortcuts="/" onChange=${change} /></label>
    </form>
    <${Count} key=${workspace} workspace=${workspace} />
  <//>`;
}
