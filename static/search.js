// What leads to the search: `/` goes to the field of the view that is open, or else to the view that
// searches; a field on the start; and the words that were searched for in a text.

import { html, useEffect, useState } from "./vendor/preact-htm.js";
import { go } from "./router.js";
import { may } from "./session.js";

let onItsWay = false;

/** True once after `/` has opened the view that searches. */
export function wasWanted() {
  const was = onItsWay;
  onItsWay = false;
  return was;
}

function onKey(event) {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, dialog")) return;
  const field = document.querySelector('main [aria-keyshortcuts="/"]');
  if (field === null && !may("TFSTATE_INSPECT")) return;
  event.preventDefault();
  field?.focus();
  field?.select();
  if (field !== null) return;
  onItsWay = true;
  go("/find");
}

/** Listens for as long as a person is signed in. */
export function useSlash() {
  useEffect(() => {
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}

export function SearchBox() {
  const [text, setText] = useState("");
  const submit = (event) => {
    event.preventDefault();
    if (text.trim() !== "") go("/find", { q: text.trim() });
  };
  return html`<form class="filters" role="search" onSubmit=${submit}>
    <label class="field wide"><span>Find a resource, an output or a state (press / to come here)</span>
      <input type="search" value=${text} maxlength="256" spellcheck=${false} autocomplete="off" aria-keyshortcuts="/" onInput=${(event) => setText(event.target.value)} /></label>
    <button>Find</button>
  </form>`;
}

const escaped = (word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** What finds any of these words in a text; null without a word. */
export function finderOf(text) {
  const words = text.split(/\s+/).filter(Boolean).sort((one, other) => other.length - one.length);
  return words.length === 0 ? null : new RegExp(`(${words.map(escaped).join("|")})`, "giu");
}

export function Marked({ text, finder }) {
  const parts = finder === null ? [text] : text.split(finder);
  // What was split by stands at every second place.
  return html`${parts.map((part, at) => (at % 2 === 1 ? html`<mark>${part}</mark>` : part))}`;
}
