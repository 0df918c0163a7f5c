// One value that views look at: they are drawn again when it changes.

import { useEffect, useState } from "./vendor/preact-htm.js";

export function createStore(first) {
  let value = first;
  const listeners = new Set();
  const store = {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of [...listeners]) listener(value);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    use() {
      const [seen, see] = useState(value);
      useEffect(() => {
        see(value);
        return store.subscribe(see);
      }, []);
      return seen;
    },
  };
  return store;
}
