// The name of a state, as the link to it.

import { html } from "../vendor/preact-htm.js";
import { href, path } from "../router.js";

export function StateLink({ state, children = null }) {
  if (!state.workspace) return null;
  const name = state.buildingBlock ? `${state.workspace}/${state.buildingBlock}` : state.workspace;
  const to = state.buildingBlock
    ? href(path("states", state.workspace, state.buildingBlock))
    : href("/states", { q: `${state.workspace}/` });
  return html`<a href=${to}>${children ?? name}</a>`;
}
