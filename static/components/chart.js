// How often states were written on each of the last days, as a small chart of bars. What it shows is
// said in words as well.

import { html } from "../vendor/preact-htm.js";
import { get, pages } from "../api.js";
import { plural } from "../format.js";

const DAYS = 42;
const PAGE = 1_000;
const HEIGHT = 20;

const sum = (writes) => writes.reduce((all, count) => all + count, 0);

/** "12 writes in the last 6 weeks". */
export const writesInWords = ({ writes, complete }) => `${plural(sum(writes), "write")}${complete ? "" : " or more"} in the last 6 weeks`;

/** The bars of all days as one path: a bar of a day without writes is a line at the bottom. */
function barsOf(writes) {
  const most = Math.max(...writes);
  return writes.map((count, day) => {
    const height = count === 0 ? 0 : Math.max(2, Math.round((count / most) * HEIGHT));
    return height === 0 ? "" : `M${day * 3} ${HEIGHT}v${-height}h2v${height}z`;
  }).join("");
}

/** `activity` is {writes, complete}, of a state or of many; nothing if there was no write. */
export function Writes({ activity }) {
  if (!activity) return html`<span class="soft">none</span>`;
  return html`<svg class="writes" viewBox=${`0 0 ${DAYS * 3} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label=${writesInWords(activity)}>
    <title>${writesInWords(activity)}</title><path d=${barsOf(activity.writes)} /></svg>`;
}

/** The activity of one state, or null. */
export async function activityOf({ workspace, buildingBlock }, signal) {
  const { states } = await get("api/activity", { workspace, buildingBlock, days: DAYS }, { signal });
  return states[0] ?? null;
}

/** The activity of all states: by name, and of all together. */
export async function activityOfAll(signal) {
  const all = { byName: new Map(), total: { writes: Array(DAYS).fill(0), complete: true } };
  const each = ({ states, sums }) => {
    for (const one of states) {
      all.byName.set(`${one.workspace}/${one.buildingBlock}`, one);
      all.total.complete &&= one.complete;
    }
    all.total.writes = all.total.writes.map((count, day) => count + sums.writes[day]);
  };
  await pages("api/activity", { days: DAYS, limit: PAGE }, each, signal);
  return all;
}
