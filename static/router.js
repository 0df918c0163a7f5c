// Every view is a link. The path stands behind `#`: the server answers an unknown path to a program
// with the state's address that it may have meant, so it has none to give to a page, and what
// stands behind `#` reaches neither the server nor a proxy's log.

import { createStore } from "./data.js";

function read() {
  const [path, query = ""] = location.hash.replace(/^#/, "").split("?", 2);
  return { path: path.startsWith("/") ? path : "/", query: Object.fromEntries(new URLSearchParams(query)) };
}

/** {path, query} of where the reader is. */
export const route = createStore(read());

let moved = false;

addEventListener("hashchange", () => {
  const next = read();
  moved ||= next.path !== route.get().path;
  route.set(next);
});

/** The link to a path. Parts of it are encoded by `path`. */
export function href(to, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "" && value !== false);
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return `#${to}${text === "" ? "" : `?${text}`}`;
}

/** The path of some parts, such as `path("states", workspace, buildingBlock)`. */
export const path = (...parts) => `/${parts.map(encodeURIComponent).join("/")}`;

export function go(to, query) {
  location.hash = href(to, query);
}

/** Writes filters into the address without a step in the browser's history. */
export function setQuery(query) {
  history.replaceState(null, "", href(route.get().path, query));
  route.set(read());
}

/** The parameters of a path that fits a pattern such as `/states/:workspace/:name`, or null. */
export function match(pattern, path) {
  const [wanted, given] = [pattern, path].map((text) => text.split("/").filter(Boolean));
  if (wanted.length !== given.length) return null;
  const found = {};
  for (const [at, part] of wanted.entries()) {
    if (part.startsWith(":")) {
      try {
        found[part.slice(1)] = decodeURIComponent(given[at]);
      } catch {
        return null;
      }
    } else if (part !== given[at]) return null;
  }
  return found;
}

/** True once after each move to another view. */
export function arrived() {
  const was = moved;
  moved = false;
  return was;
}
