// What everybody sees without signing in: how the server is, and the form to sign in.

import { html, useEffect, useState } from "../vendor/preact-htm.js";
import { ending, signIn } from "../session.js";
import { dateOf, longSpan, utcTime } from "../format.js";
import { Failure, Notice, Time } from "../components/basics.js";

const EVERY_MS = 15_000;
const PATIENCE_MS = 10_000;

const WORDS = {
  checking: ["Checking", "Asking the server how it is."],
  ready: ["Ready", "States can be read and written."],
  degraded: ["Degraded", "States can be read. Writes are refused."],
  not_ready: ["Not ready", "The server answers, but serves no states."],
  unreachable: ["Cannot be reached", "Nothing is known about the server now."],
};

const FIRST = { status: "checking", name: "statekeep", version: "not known", problems: [], since: null, verified: null, checked: null, meaning: null };

/** 503 carries the answer too. Anything else comes from something between this page and the server. */
async function ask() {
  const response = await fetch("readyz", { cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(PATIENCE_MS) });
  const answer = await response.json().catch(() => null);
  const known = answer !== null && typeof answer === "object" && ["ready", "degraded", "not_ready"].includes(answer.status);
  if (!known) throw new Error(`HTTP ${response.status} without a status`);
  const at = dateOf(response.headers.get("Date")) ?? new Date();
  return {
    status: answer.status,
    name: String(answer.name),
    version: String(answer.version ?? "told to monitors alone"),
    problems: Array.isArray(answer.problems) ? answer.problems : [],
    since: answer.since,
    verified: answer.verified_at ?? null,
    checked: at,
    meaning: null,
  };
}

function explain(error) {
  if (error.name === "TimeoutError") return `No answer within ${PATIENCE_MS / 1_000} seconds.`;
  if (error.name === "TypeError") return "No answer: the connection failed.";
  return `The answer is not from statekeep: ${error.message}.`;
}

function unreachable(before, error) {
  const last = before.lastStatus ? ` Its last answer was: ${WORDS[before.lastStatus][0].toLowerCase()}.` : "";
  return { ...before, status: "unreachable", meaning: explain(error) + last, problems: [], since: null, verified: undefined };
}

function useHealth() {
  const [health, setHealth] = useState(FIRST);
  useEffect(() => {
    let timer;
    let gone = false;
    const check = async () => {
      clearTimeout(timer);
      const next = await ask().then(
        (answer) => () => ({ ...answer, lastStatus: answer.status }),
        (error) => (before) => unreachable(before, error),
      );
      if (gone) return;
      setHealth(next);
      clearTimeout(timer);
      if (!document.hidden) timer = setTimeout(check, EVERY_MS);
    };
    const seen = () => (document.hidden ? clearTimeout(timer) : check());
    document.addEventListener("visibilitychange", seen);
    check();
    return () => {
      gone = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, []);
  return health;
}

function Sign() {
  return html`<svg class="sign" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
    <circle cx="12" cy="12" r="11" />
    <path class="ready" d="M6.5 12.5l3.7 3.7 7.3-8" />
    <path class="degraded" d="M12 6v7.5M12 17.2v.1" />
    <path class="not_ready" d="M8 8l8 8M16 8l-8 8" />
    <path class="unreachable" d="M8.7 9.2a3.3 3.3 0 1 1 5 2.9c-1.1.7-1.7 1.3-1.7 2.3M12 17.6v.1" />
    <path class="checking" d="M7 12h.1M12 12h.1M17 12h.1" />
  </svg>`;
}

function SignInForm() {
  const [secret, setSecret] = useState("");
  const [{ busy, error }, setState] = useState({ busy: false, error: null });
  const why = ending.use();
  const submit = async (event) => {
    event.preventDefault();
    if (busy) return;
    setState({ busy: true, error: null });
    try {
      const text = secret;
      setSecret("");
      await signIn(text);
    } catch (failure) {
      setState({ busy: false, error: failure });
    }
  };
  return html`<section class="card sign-in" aria-labelledby="sign-in">
    <h2 id="sign-in">Sign in</h2>
    ${why && html`<${Notice}>${why}<//>`}
    <form class="form" onSubmit=${submit}>
      <label class="field"><span>Secret of an API key</span>
        <input type="password" name="secret" value=${secret} required autocomplete="off" spellcheck=${false}
          aria-describedby="sign-in-hint" onInput=${(event) => setSecret(event.target.value)} />
      </label>
      <p class="hint" id="sign-in-hint">It is exchanged for a token of 15 minutes at once, and then forgotten. The token stays in this tab.</p>
      <${Failure} error=${error} />
      <div class="buttons"><button class="primary" disabled=${busy}>${busy ? "Signing in…" : "Sign in"}</button></div>
    </form>
  </section>`;
}

function Problems({ problems }) {
  return html`<section id="problems" aria-labelledby="problems-title" hidden=${problems.length === 0}>
    <h3 id="problems-title">What is wrong</h3>
    <ul id="problem-list" aria-live="polite">${problems.map(({ code, detail }) => html`<li><code>${String(code)}</code> ${String(detail)}</li>`)}</ul>
  </section>`;
}

function Facts({ health, now }) {
  const since = dateOf(health.since);
  const verified = health.verified === undefined || health.checked === null ? "not known" : "not yet";
  return html`<dl class="facts">
    <div><dt>Since</dt><dd><${Time} id="since" at=${health.since} otherwise="not known" /> <span id="duration" class="soft">${since ? `(${longSpan((now - since) / 1_000)})` : ""}</span></dd></div>
    <div><dt>Last verified</dt><dd><${Time} id="verified" at=${health.verified} otherwise=${verified} /></dd></div>
    <div><dt>Version</dt><dd id="version">${health.version}</dd></div>
    <div><dt>Address</dt><dd id="address">${location.origin}</dd></div>
  </dl>`;
}

export function Front() {
  const health = useHealth();
  const [headline, usual] = WORDS[health.status];
  useEffect(() => {
    document.body.dataset.status = health.status;
    document.title = `${headline} · ${health.name}`;
  }, [headline, health.name]);
  return html`<div class="front">
    <header class="title"><img src=${new URL("../icon.svg", import.meta.url).href} alt="" width="40" height="40" />
      <div><h1 id="name">${health.name}</h1><p>Terraform and OpenTofu state, every write a version</p></div>
    </header>
    <main aria-labelledby="headline">
      <div class="card verdict-card">
        <div class="verdict" role="status" aria-live="polite">
          <${Sign} />
          <div><h2 id="headline">${headline}</h2><p id="meaning">${health.meaning ?? usual}</p></div>
        </div>
        <${Problems} problems=${health.problems} />
        <${Facts} health=${health} now=${health.checked ?? Date.now()} />
      </div>
      <${SignInForm} />
    </main>
    <footer>
      <p><span id="checked">${health.checked ? `Last answer ${utcTime(health.checked)}.` : "No answer yet."}</span> <span class="live">Asked every 15 seconds while you look.</span></p>
      <p>For monitoring: <a href="readyz">/readyz</a> says what this page says, <a href="healthz">/healthz</a> that the process answers.</p>
    </footer>
  </div>`;
}
