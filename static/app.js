// Asks the server how it is, and shows the answer. Nothing is kept, and nothing but /readyz is asked.

const EVERY_MS = 15_000;
const PATIENCE_MS = 10_000;

const WORDS = {
  ready: ["Ready", "States can be read and written."],
  degraded: ["Degraded", "States can be read. Writes are refused."],
  not_ready: ["Not ready", "The server answers, but serves no states."],
  unreachable: ["Cannot be reached", "Nothing is known about the server now."],
};

const element = (id) => document.getElementById(id);

// Only what changed is written, so that a screen reader hears changes and not every check.
function say(id, text) {
  if (element(id).textContent !== text) element(id).textContent = text;
}

// 2026-03-12 14:03:22 UTC: the clock of the server's own logs.
function utc(date) {
  return `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

function duration(seconds) {
  const units = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];
  const largest = units.findIndex(([, size]) => seconds >= size);
  if (largest < 0) return "just now";
  let rest = Math.floor(seconds);
  const parts = units.slice(largest, largest + 2).map(([name, size]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return count > 0 ? `${count} ${name}${count === 1 ? "" : "s"}` : "";
  });
  return `for ${parts.filter(Boolean).join(" ")}`;
}

function showVerdict(status, meaning) {
  const [headline, usual] = WORDS[status];
  document.body.dataset.status = status;
  document.title = `${headline} · ${element("name").textContent}`;
  say("headline", headline);
  say("meaning", meaning ?? usual);
}

let shownProblems = "[]";

function showProblems(problems) {
  element("problems").hidden = problems.length === 0;
  if (shownProblems === JSON.stringify(problems)) return;
  shownProblems = JSON.stringify(problems);
  element("problem-list").replaceChildren(...problems.map(({ code, detail }) => {
    const item = document.createElement("li");
    const name = document.createElement("code");
    name.textContent = String(code);
    item.append(name, " ", String(detail));
    return item;
  }));
}

function showSince(text, now) {
  const since = new Date(text ?? NaN);
  if (Number.isNaN(since.getTime())) {
    element("since").removeAttribute("datetime");
    say("since", "not known");
    say("duration", "");
    return;
  }
  element("since").dateTime = text;
  say("since", utc(since));
  say("duration", `(${duration((now - since) / 1_000)})`);
}

// Without a time, "otherwise" says why there is none.
function showVerified(text, otherwise) {
  const at = new Date(text ?? NaN);
  if (Number.isNaN(at.getTime())) {
    element("verified").removeAttribute("datetime");
    say("verified", otherwise);
    return;
  }
  element("verified").dateTime = text;
  say("verified", utc(at));
}

let lastStatus = null;

function showAnswer(answer, now) {
  lastStatus = answer.status;
  say("name", String(answer.name));
  say("version", String(answer.version ?? "told to monitors alone"));
  showVerdict(answer.status);
  showProblems(Array.isArray(answer.problems) ? answer.problems : []);
  showSince(answer.since, now);
  showVerified(answer.verified_at, "not yet");
  say("checked", `Last answer ${utc(now)}.`);
}

// 503 carries the answer too. Anything else comes from something between this page and the server.
async function ask() {
  const response = await fetch("readyz", { cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(PATIENCE_MS) });
  const answer = await response.json().catch(() => null);
  const known = answer !== null && typeof answer === "object" && answer.status !== "unreachable" && Object.hasOwn(WORDS, answer.status);
  if (!known) throw new Error(`HTTP ${response.status} without a status`);
  return [answer, new Date(response.headers.get("Date") ?? Date.now())];
}

function explain(error) {
  if (error.name === "TimeoutError") return `No answer within ${PATIENCE_MS / 1_000} seconds.`;
  if (error.name === "TypeError") return "No answer: the connection failed.";
  return `The answer is not from statekeep: ${error.message}.`;
}

function showUnreachable(error) {
  const before = lastStatus === null ? "" : ` Its last answer was: ${WORDS[lastStatus][0].toLowerCase()}.`;
  showVerdict("unreachable", explain(error) + before);
  showProblems([]);
  showSince(null);
  showVerified(null, "not known");
}

let timer;

async function check() {
  clearTimeout(timer);
  try {
    showAnswer(...(await ask()));
  } catch (error) {
    showUnreachable(error);
  }
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(check, EVERY_MS);
}

say("address", location.origin);
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : check()));
check();
