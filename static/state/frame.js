// The frame of each view of one state: its name, the way up, and the tabs of its parts.

import { html } from "../vendor/preact-htm.js";
import { statePath } from "../api.js";
import { href, path } from "../router.js";
import { View } from "../components/view.js";
import { Failure, Loading } from "../components/notice.js";

const PARTS = [
  ["", "Overview"],
  ["resources", "Resources"],
  ["outputs", "Outputs"],
  ["use", "Use it"],
];

/** A state as the views pass it on: its names, and where the API has it. */
export function stateOf({ workspace, buildingBlock }) {
  return { workspace, buildingBlock, name: `${workspace}/${buildingBlock}`, api: statePath({ workspace, buildingBlock }) };
}

/** The link to a part of a state: `link(state, "compare", 7, 5)`. */
export const link = ({ workspace, buildingBlock }, ...parts) => href(path("states", workspace, buildingBlock, ...parts));

export function Frame({ state, part, title = state.name, children }) {
  const crumbs = [["States", href("/states")]];
  if (title !== state.name) crumbs.push([state.name, link(state)]);
  const here = (id) => (id === part ? "page" : undefined);
  return html`<${View} title=${title} crumbs=${crumbs}>
    <nav class="tabs" aria-label=${`Parts of ${state.name}`}>
      ${PARTS.map(([id, name]) => html`<a key=${id} href=${id ? link(state, id) : link(state)} aria-current=${here(id)}>${name}</a>`)}
    </nav>
    ${children}
  <//>`;
}

/** What a view has asked for: on its way, refused, or handed to `children`. */
export function Asked({ answer, what, children }) {
  if (answer.error) return html`<${Failure} error=${answer.error} again=${answer.reload} />`;
  if (answer.data === null) return html`<${Loading} what=${what} />`;
  return children(answer.data);
}
