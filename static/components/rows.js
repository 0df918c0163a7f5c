// A list of very many rows, of which only those that are seen are drawn. It scrolls with the page,
// so it needs no height of its own, at any zoom. The arrow keys go from row to row.

import { Component, h, html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/preact-htm.js";

/** Rows that are drawn above and below those that are seen. */
const SPARE = 4;

/** Which rows are to be drawn for where the page is scrolled to. */
function useWindow(element, count, height) {
  const [{ from, to }, setWindow] = useState({ from: 0, to: 40 });
  useLayoutEffect(() => {
    let asked = 0;
    const look = () => {
      asked = 0;
      if (!element.current) return;
      const above = Math.max(0, -element.current.getBoundingClientRect().top);
      const first = Math.max(0, Math.floor(above / height) - SPARE);
      const last = Math.min(count, first + Math.ceil(innerHeight / height) + 2 * SPARE);
      setWindow((before) => (before.from === first && before.to === last ? before : { from: first, to: last }));
    };
    const later = () => {
      asked ||= requestAnimationFrame(look);
    };
    look();
    addEventListener("scroll", later, { passive: true });
    addEventListener("resize", later);
    return () => {
      cancelAnimationFrame(asked);
      removeEventListener("scroll", later);
      removeEventListener("resize", later);
    };
  }, [count, height]);
  return { from, to: Math.min(count, to) };
}

/** Where a key leads from a row, or null. */
function target(key, at, count, page) {
  const moves = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: count - 1 };
  return key in moves ? Math.min(count - 1, Math.max(0, moves[key])) : null;
}

/** A row is drawn anew only if what it shows or where it stands is another. */
class Row extends Component {
  shouldComponentUpdate(next) {
    return next.item !== this.props.item || next.given !== this.props.given || next.at !== this.props.at || next.height !== this.props.height;
  }

  render({ at, height, item, given, draw }) {
    return html`<div role="row" class="row" data-at=${at} aria-rowindex=${at + 2}
      style=${{ top: `${at * height}px`, height: `${height}px` }}>${draw(item, given)}</div>`;
  }
}

/** `draw(item, given)` gives the cells of a row, the first of which holds the link that takes the focus. */
export function Rows({ items, given, height, label, head, draw, keyOf }) {
  const count = items.length;
  const element = useRef(null);
  const [active, setActive] = useState(null);
  const focused = useRef(null);
  const { from, to } = useWindow(element, count, height);
  useEffect(() => {
    if (active === null) return;
    const row = element.current.querySelector(`[data-at="${active.at}"]`);
    row?.scrollIntoView({ block: "nearest" });
    row?.querySelector("a")?.focus({ preventScroll: true });
  }, [active]);
  const onKey = (event) => {
    const row = event.target.closest("[data-at]");
    if (row === null || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = target(event.key, Number(row.dataset.at), count, Math.max(1, Math.floor(innerHeight / height) - 2));
    if (next === null) return;
    event.preventDefault();
    setActive({ at: next });
  };
  // Drawing may move the row that has the focus, which takes the focus from it.
  const drawing = useRef(true);
  drawing.current = true;
  useLayoutEffect(() => {
    drawing.current = false;
    if (focused.current === null || document.activeElement !== document.body) return;
    focused.current.target.focus({ preventScroll: true });
  });
  const onFocus = (event) => {
    const row = event.target.closest("[data-at]");
    if (row !== null) focused.current = { at: Number(row.dataset.at), target: event.target };
  };
  const onBlur = () => {
    if (!drawing.current) focused.current = null;
  };
  const drawn = new Set();
  for (let at = from; at < to; at += 1) drawn.add(at);
  // The row that has the focus, and the one that is to have it, are drawn wherever they are.
  for (const at of [focused.current?.at ?? null, active?.at ?? null]) if (at !== null && at < count) drawn.add(at);
  const inOrder = [...drawn].sort((one, other) => one - other);
  return html`<div role="table" aria-label=${label} aria-rowcount=${count + 1}>
    <div role="rowgroup"><div role="row" class="row-head" aria-rowindex="1">${head}</div></div>
    <div role="rowgroup" class="rows" ref=${element} onKeyDown=${onKey} onFocusCapture=${onFocus} onBlurCapture=${onBlur} style=${{ height: `${count * height}px` }}>
      ${inOrder.map((at) => h(Row, { key: keyOf(items[at]), at, height, item: items[at], given, draw }))}
    </div>
  </div>`;
}
