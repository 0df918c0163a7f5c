// Whether the reader has just come to another view.

import { route } from "./router.js";

let moved = false;
let path = route.get().path;

route.subscribe((next) => {
  if (next.path !== path) moved = true;
  path = next.path;
});

/** True once after each move to another view. */
export function arrived() {
  const was = moved;
  moved = false;
  return was;
}
