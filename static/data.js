// What views look at: values that draw them again when they change, and what a view asks the server,
// and asks again.

import { useEffect, useRef, useState } from "./vendor/preact-htm.js";

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

/**
 * Loads with `load(signal)` whenever `deps` change, and every so many milliseconds while the page is
 * looked at. Gives {data, error, loading, at, reload}; what was there stays while it is asked again.
 */
export function useData(load, deps, { every = 0 } = {}) {
  const [state, setState] = useState({ data: null, error: null, loading: true, at: null });
  const reload = useRef(() => {});
  useEffect(() => {
    const control = new AbortController();
    let timer;
    let running = false;
    const run = async () => {
      clearTimeout(timer);
      if (running) return;
      running = true;
      setState((before) => ({ ...before, loading: true }));
      try {
        const data = await load(control.signal);
        if (!control.signal.aborted) setState({ data, error: null, loading: false, at: Date.now() });
      } catch (error) {
        if (!control.signal.aborted) setState((before) => ({ ...before, error, loading: false }));
      }
      running = false;
      if (every > 0 && !control.signal.aborted && !document.hidden) timer = setTimeout(run, every);
    };
    const seen = () => (document.hidden ? clearTimeout(timer) : run());
    reload.current = run;
    setState({ data: null, error: null, loading: true, at: null });
    run();
    if (every > 0) document.addEventListener("visibilitychange", seen);
    return () => {
      control.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, deps);
  return { ...state, reload: () => reload.current() };
}

const clock = createStore(Date.now());
setInterval(() => document.hidden || clock.set(Date.now()), 30_000);

/** The time, half a minute old at most. */
export const useNow = () => clock.use();
