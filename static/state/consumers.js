// Who has read the state, on which days, and whether the outputs that they read are what they are now.

import { html, useState } from "../vendor/preact-htm.js";
import { get } from "../api.js";
import { useData } from "../data.js";
import { plural } from "../format.js";
import { href } from "../router.js";
import { Act, Asked, Damaged, Notice, Table, Time } from "../components/basics.js";
import { Frame, stateOf } from "./frame.js";

const PAGE = 100;

const reads = ({ whole, outputs }) =>
  [whole > 0 && `${plural(whole, "read")} of all of it`, outputs > 0 && `${plural(outputs, "read")} of its outputs`].filter(Boolean).join(", ");

function Mark({ row }) {
  if (row.is_current === null) return html`<span class="soft">not known</span>`;
  return row.is_current
    ? html`<span class="tag good">what they are now</span>`
    : html`<span class="tag warn">older</span> <span class="soft">they have changed since version ${row.version}</span>`;
}

function Days({ row }) {
  return html`<details><summary>${plural(row.days_read, "day")}<span class="hidden"> of ${row.key?.name ?? "others"}</span></summary>
    <ul class="plain">${row.days.map((day) => html`<li key=${day.day}>${day.day}: ${reads(day)}, version ${day.version}</li>`)}</ul>
    ${row.days_read > row.days.length && html`<p class="soft">The newest ${row.days.length}.</p>`}</details>`;
}

function Row({ row }) {
  return html`<tr>
    <th scope="row">${row.key?.name ?? "others, who are not told apart"}</th>
    <td data-name="Last read"><${Time} at=${row.last_read_at} relative /></td>
    <td data-name="Its outputs were"><${Mark} row=${row} /></td>
    <td data-name="Reads">${reads(row)}</td>
    <td data-name="Days"><${Days} row=${row} /></td>
  </tr>`;
}

const byTime = (one, other) => (one.last_read_at < other.last_read_at ? 1 : -1);

function Pages({ first, ask }) {
  const [{ rows, damaged, next }, setPage] = useState({ rows: first.consumers, damaged: first.damaged ?? [], next: first.next });
  const more = async () => {
    const page = await ask(next);
    setPage({ rows: [...rows, ...page.consumers], damaged: [...damaged, ...(page.damaged ?? [])], next: page.next });
  };
  const old = rows.filter((row) => row.is_current === false).length;
  return html`<${Damaged} rows=${damaged} what="listed" />
    ${rows.length === 0 && next === null && html`<${Notice}>Nobody has read the state. Reads are listed a second after they were done.<//>`}
    ${old > 0 && html`<${Notice} kind="warn">${plural(old, "reader has", "readers have")} outputs that have changed since. The next read brings the new ones.<//>`}
    ${rows.length > 0 && html`<${Table} caption=${`${plural(rows.length, "reader")}${next === null ? "" : ", and more"}`} heads=${["Reader", "Last read", "Its outputs were", "Reads", "Days"]}>
      ${[...rows].sort(byTime).map((row) => html`<${Row} key=${row.key?.id ?? "others"} row=${row} />`)}<//>`}
    ${next !== null && html`<p><${Act} label="More readers" act=${more} /></p>`}`;
}

export function Consumers(names) {
  const state = stateOf(names);
  const ask = (after, signal) => get(`${state.api}/consumers`, { limit: PAGE, after }, { signal });
  const answer = useData((signal) => ask(undefined, signal), [state.api]);
  return html`<${Frame} state=${state} part="consumers" title=${`Consumers of ${state.name}`}>
    <${Asked} answer=${answer} what="Asking who has read it">
      ${(first) => html`<${Pages} key=${answer.at} first=${first} ask=${ask} />`}
    <//>
    <p><a href=${href("/events", { workspace: state.workspace, buildingBlock: state.buildingBlock, kind: "state.read" })}>All reads, in the event log</a></p>
  <//>`;
}
