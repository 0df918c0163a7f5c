// The history, one line an apply: its snapshots are folded below the version that it ended with.
// Two clicks on "Compare" choose the two versions of a comparison.

import { html, useState } from "../vendor/preact-htm.js";
import { get } from "../api.js";
import { useData } from "../data.js";
import { plural, size } from "../format.js";
import { Act, Asked, Failure, Time } from "../components/basics.js";
import { may } from "../session.js";
import { Download, Hold } from "./acts.js";
import { Counts, link } from "./frame.js";

const PAGE = 50;

const KINDS = {
  write: "written",
  rollback: "rolled back",
  import: "imported",
  restore: "restored",
  rejected: "rejected",
};

function Kind({ row }) {
  if (row.kind === "rollback" && row.from_version) return html`rolled back to ${row.from_version}`;
  if (row.kind === "rejected") return html`rejected <code>${row.rejected}</code>`;
  return KINDS[row.kind] ?? row.kind;
}

function Chips({ row }) {
  return html`${row.current && html`<span class="tag good">current</span>`}
    ${row.kind === "rejected" && html`<span class="tag warn">not applied</span>`}
    ${row.intermediate && html`<span class="tag">snapshot</span>`}
    ${row.held && html`<span class="tag">held: ${row.held.reason}</span>`}
    ${row.encrypted && html`<span class="tag">encrypted</span>`}
    ${row.purged && html`<span class="tag bad">purged</span>`}`;
}

/** Who made a version: the key, and who its lock says. */
export function Who({ row }) {
  return html`${row.created_by.name}${row.lock?.who && html` <span class="soft">(${row.lock.who})</span>`}`;
}

function More({ row, state, onDone }) {
  const [open, setOpen] = useState(false);
  return html`<details class="more" onToggle=${(event) => setOpen(event.currentTarget.open)}>
    <summary>More<span class="hidden"> about version ${row.number}</span></summary>
    ${open && html`<dl class="facts">
      <div><dt>Serial</dt><dd>${row.serial}</dd></div>
      <div><dt>Lineage</dt><dd><code>${row.lineage}</code></dd></div>
      <div><dt>Program</dt><dd>${row.terraform_version ?? "not known"}</dd></div>
      <div><dt>From</dt><dd>${row.address ?? "not known"}</dd></div>
      <div><dt>Lock</dt><dd>${row.lock ? html`<code>${row.lock.id}</code> ${row.lock.operation}` : "none"}</dd></div>
      <div><dt>SHA-256</dt><dd><code>${row.sha256}</code></dd></div>
    </dl>
    ${!row.purged && may("TFSTATE_LIST") && html`<p><${Download} state=${state} version=${row.number} />
      <span class="soft"> The event log records it.</span></p>`}
    <div><${Hold} state=${state} row=${row} onDone=${onDone} /></div>`}
  </details>`;
}

function Links({ row, state, picked, onPick }) {
  if (row.purged) return null;
  return html`<div class="links">
    <a href=${link(state, "compare", row.number)}>Changes<span class="hidden"> of version ${row.number}</span></a>
    <button type="button" aria-pressed=${picked === row.number} onClick=${() => onPick(row.number)}>
      Compare<span class="hidden"> version ${row.number}</span>
    </button>
    ${!row.current && may("TFSTATE_LIST") && html`<a href=${link(state, "rollback", row.number)}>Roll back<span class="hidden"> to version ${row.number}</span></a>`}
  </div>`;
}

function Line({ row, state, picked, onPick, onDone }) {
  return html`<div class="line">
    <p><b class="number">${row.number}</b> <${Counts} ...${row} /> <${Chips} row=${row} /></p>
    <p><${Kind} row=${row} /> by <${Who} row=${row} /> <span class="soft"><${Time} at=${row.created_at} relative /></span></p>
    <p class="soft">${row.resources !== null && `${plural(row.resources, "resource")}, `}${size(row.size)}</p>
    <${Links} row=${row} state=${state} picked=${picked} onPick=${onPick} />
    <${More} row=${row} state=${state} onDone=${onDone} />
  </div>`;
}

/** The snapshots between two versions of the folded list, newest first. */
async function snapshots(state, above, below) {
  const found = [];
  let before = above;
  while (before !== null) {
    const page = await get(`${state.api}/versions`, { limit: PAGE, before });
    found.push(...page.versions.filter((row) => row.number > below && row.intermediate));
    const isPast = page.versions.length === 0 || page.versions.at(-1).number <= below;
    before = isPast ? null : page.next;
  }
  return found;
}

function Snapshots({ row, below, ...rest }) {
  const [{ rows, error }, setFound] = useState({ rows: null, error: null });
  const open = async (event) => {
    if (!event.currentTarget.open || rows !== null) return;
    const found = await snapshots(rest.state, row.number, below).then(
      (all) => ({ rows: all, error: null }),
      (failure) => ({ rows: null, error: failure }),
    );
    setFound(found);
  };
  const label = `Snapshots before version ${row.number}`;
  return html`<details class="snapshots" onToggle=${open}>
    <summary>${label}</summary>
    <${Failure} error=${error} />
    ${rows?.length === 0 && html`<p class="soft">None is kept.</p>`}
    ${rows?.length > 0 && html`<ol class="history" aria-label=${label}>${rows.map((one) => html`<li key=${one.number}><${Line} row=${one} ...${rest} /></li>`)}</ol>`}
  </details>`;
}

function Rows({ rows, next, ...rest }) {
  const below = (at) => rows[at + 1]?.number ?? (next === null ? 0 : null);
  const hasGap = (row, at) => below(at) !== null && row.number - below(at) > 1;
  return html`<ol class="history" aria-label="Versions">${rows.map((row, at) => html`<li key=${row.number}>
    <${Line} row=${row} ...${rest} />
    ${hasGap(row, at) && html`<${Snapshots} row=${row} below=${below(at)} ...${rest} />`}
  </li>`)}</ol>`;
}

/** The version that was chosen for a comparison; choosing a second one opens it. */
function usePick(state) {
  const [picked, setPicked] = useState(null);
  const pick = (number) => {
    if (picked === null) setPicked(number);
    else if (picked === number) setPicked(null);
    else location.hash = link(state, "compare", Math.max(picked, number), Math.min(picked, number));
  };
  return [picked, pick];
}

function Pages({ first, ...rest }) {
  const [older, setOlder] = useState({ versions: [], next: first.next });
  const rows = [...first.versions, ...older.versions];
  const more = async () => {
    const page = await get(`${rest.state.api}/versions`, { intermediate: false, limit: PAGE, before: older.next });
    setOlder({ versions: [...older.versions, ...page.versions], next: page.next });
  };
  if (rows.length === 0) return html`<p>No version was written yet.</p>`;
  return html`<${Rows} rows=${rows} next=${older.next} ...${rest} />
    ${older.next !== null && html`<p><${Act} label="Older versions" act=${more} /></p>`}`;
}

/** The versions of a state, page by page. */
export function History({ state, onDone }) {
  const [picked, onPick] = usePick(state);
  const ask = (signal) => get(`${state.api}/versions`, { intermediate: false, limit: PAGE }, { signal });
  const answer = useData(ask, [state.api]);
  return html`<section aria-labelledby="history-title">
    <h2 id="history-title">History</h2>
    <p role="status" class="soft">${picked === null
      ? "Click Compare at two versions to see what is between them."
      : `Version ${picked} is chosen. Click Compare at another one.`}</p>
    <${Asked} answer=${answer} what="Asking for the history">
      ${(first) => html`<${Pages} first=${first} state=${state} picked=${picked} onPick=${onPick} onDone=${onDone} />`}
    <//>
  </section>`;
}
