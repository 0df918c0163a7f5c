// A window over the page: the browser keeps the focus in it, closes it with Esc, and gives the
// focus back.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { Failure } from "./basics.js";

let dialogs = 0;

export function Dialog({ title, onClose, children }) {
  const element = useRef(null);
  const id = useRef(null);
  id.current ??= `dialog-${(dialogs += 1)}`;
  useEffect(() => {
    const dialog = element.current;
    dialog.showModal();
    // Closed before it goes, so that the browser gives the focus back.
    return () => dialog.close();
  }, []);
  return html`<dialog ref=${element} aria-labelledby=${id.current} onClose=${onClose}>
    <h2 id=${id.current}>${title}</h2>
    ${children}
  </dialog>`;
}

/**
 * Asks before something that cannot be undone or breaks other people's work. `typed` is a text that
 * has to be typed first. `act` does it; its error is shown here.
 */
export function Confirm({ title, action, act, onClose, typed = null, danger = true, children }) {
  const [{ busy, error }, setState] = useState({ busy: false, error: null });
  const [text, setText] = useState("");
  const fits = typed === null || text.trim() === String(typed);
  const submit = async (event) => {
    event.preventDefault();
    if (!fits || busy) return;
    setState({ busy: true, error: null });
    try {
      await act();
      onClose();
    } catch (failure) {
      setState({ busy: false, error: failure });
    }
  };
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <form class="form" onSubmit=${submit}>
      ${children}
      ${typed !== null && html`<label class="field"><span>Type <code>${typed}</code> to confirm</span>
        <input value=${text} autocomplete="off" spellcheck=${false} onInput=${(event) => setText(event.target.value)} />
      </label>`}
      <${Failure} error=${error} />
      <div class="buttons">
        <button class=${danger ? "danger" : "primary"} disabled=${!fits || busy}>${busy ? "One moment…" : action}</button>
        <button type="button" onClick=${onClose}>Cancel</button>
      </div>
    </form>
  <//>`;
}
