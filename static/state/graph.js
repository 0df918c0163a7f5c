// A resource between its neighbours as a picture: what needs it on the left, what it depends on on
// the right. The lists beside it say the same, so a screen reader passes over the picture. It is
// drawn only where few resources have room.

import { html, useState } from "../vendor/preact-htm.js";
import { get } from "../api.js";
import { useData } from "../data.js";
import { plural } from "../format.js";
import { Failure } from "../components/basics.js";
import { link } from "./frame.js";

/** More in a column are not readable. */
const MOST_IN_COLUMN = 12;
/** More neighbours than these are not asked for theirs. */
const MOST_TO_ASK = 8;

const [WIDTH, HEIGHT, GAP_X, GAP_Y, LETTERS] = [190, 40, 60, 12, 24];

const short = (text) => (text.length > LETTERS ? `${text.slice(0, LETTERS - 1)}…` : text);

/** The parts of an address: a dot within quotes parts nothing. */
const partsOf = (address) => address.match(/(?:"(?:\\.|[^"\\])*"|[^."])+/g) ?? [address];

function names(address) {
  const parts = partsOf(address);
  return [short(parts.at(-2) ?? ""), short(parts.at(-1) ?? address)];
}

/** The column of each resource: 0 for the one in the middle, above 0 for what it depends on. */
function columnsOf(address, { dependsOn, neededBy }, further) {
  const columns = new Map([[address, 0]]);
  const edges = [];
  const place = (list, side, edge) => {
    for (const one of list) {
      columns.set(one, side);
      edges.push(edge(address, one));
    }
    for (const one of list) {
      for (const next of further.get(one)?.[side > 0 ? "dependsOn" : "neededBy"] ?? []) {
        if (next === address) continue;
        columns.set(next, 2 * side);
        edges.push(edge(one, next));
      }
    }
  };
  place(dependsOn, 1, (from, to) => [from, to]);
  place(neededBy, -1, (from, to) => [to, from]);
  return { columns, edges };
}

/** Where each resource stands, and how large the picture is; null if it were too crowded. */
function layout({ columns, edges }) {
  const lists = new Map();
  for (const [address, column] of columns) lists.set(column, [...(lists.get(column) ?? []), address]);
  const most = Math.max(...[...lists.values()].map((list) => list.length));
  if (most > MOST_IN_COLUMN) return null;
  const order = [...lists.keys()].sort((one, other) => one - other);
  const height = most * (HEIGHT + GAP_Y) - GAP_Y;
  const at = new Map();
  for (const [place, column] of order.entries()) {
    const list = lists.get(column);
    const top = (height - (list.length * (HEIGHT + GAP_Y) - GAP_Y)) / 2;
    for (const [row, address] of list.entries()) at.set(address, [place * (WIDTH + GAP_X), top + row * (HEIGHT + GAP_Y)]);
  }
  return { at, edges, width: order.length * (WIDTH + GAP_X) - GAP_X, height, count: order.length };
}

function Edge({ from: [x, y], to: [toX, toY] }) {
  const [startX, startY, endX, endY] = [x + WIDTH, y + HEIGHT / 2, toX - 5, toY + HEIGHT / 2];
  const bend = Math.max(GAP_X / 2, (endX - startX) / 2);
  return html`<path class="edge" d=${`M${startX} ${startY}C${startX + bend} ${startY} ${endX - bend} ${endY} ${endX} ${endY}`} />
    <path class="tip-of-edge" d=${`M${toX} ${endY}l-7 -4v8z`} />`;
}

function Node({ address, at: [x, y], here, to }) {
  const [type, name] = names(address);
  return html`<a href=${to} tabindex="-1" class=${here ? "node here" : "node"}><title>${address}</title>
    <rect x=${x} y=${y} width=${WIDTH} height=${HEIGHT} rx="5" />
    <text class="type" x=${x + 9} y=${y + 16}>${type}</text><text x=${x + 9} y=${y + 31}>${name}</text></a>`;
}

function Picture({ drawn, address, state, version }) {
  const { at, edges, width, height, count } = drawn;
  return html`<svg class=${count > 3 ? "graph many" : "graph"} viewBox=${`-1 -1 ${width + 2} ${height + 2}`} width=${width + 2} height=${height + 2} aria-hidden="true" focusable="false">
    ${edges.map(([from, to]) => html`<${Edge} key=${`${from} ${to}`} from=${at.get(from)} to=${at.get(to)} />`)}
    ${[...at].map(([one, place]) => html`<${Node} key=${one} address=${one} at=${place} here=${one === address} to=${link(state, "resources", version, one)} />`)}
  </svg>`;
}

const neighboursOf = ({ depends_on: dependsOn, needed_by: neededBy }) => ({ dependsOn, neededBy });

/** The neighbours of each of these. One that is only named has none. */
async function askFor(list, state, version, signal) {
  const ask = async (address) => {
    const path = `${state.api}/versions/${version}/resources/${encodeURIComponent(address)}`;
    const { resource } = await get(path, {}, { signal, accept: [404] }).then((answer) => (answer.resource ? answer : { resource: null }));
    return [address, resource ? neighboursOf(resource) : { dependsOn: [], neededBy: [] }];
  };
  return new Map(await Promise.all(list.map(ask)));
}

function TwoSteps({ resource, near, state, version }) {
  const list = [...near.dependsOn, ...near.neededBy];
  const { data, error, reload } = useData((signal) => askFor(list, state, version, signal), []);
  if (error) return html`<${Failure} error=${error} again=${reload} />`;
  const found = columnsOf(resource.address, near, data ?? new Map());
  const drawn = layout(found);
  if (drawn === null) return html`<p class="soft">${plural(found.columns.size, "resource")} are too many to be drawn.</p>`;
  return html`<${Picture} drawn=${drawn} address=${resource.address} state=${state} version=${version} />`;
}

/** Nothing where there are no neighbours, or too many. */
export function Graph({ resource, state, version }) {
  const [steps, setSteps] = useState(1);
  const near = neighboursOf(resource);
  const count = near.dependsOn.length + near.neededBy.length;
  const drawn = layout(columnsOf(resource.address, near, new Map()));
  if (count === 0 || drawn === null || resource.truncated) return null;
  return html`<div class="neighbours">
    ${count <= MOST_TO_ASK && html`<label class="check"><input type="checkbox" checked=${steps === 2} onChange=${(event) => setSteps(event.target.checked ? 2 : 1)} /> Two steps in the picture</label>`}
    ${steps === 2
      ? html`<${TwoSteps} resource=${resource} near=${near} state=${state} version=${version} />`
      : html`<${Picture} drawn=${drawn} address=${resource.address} state=${state} version=${version} />`}
  </div>`;
}
