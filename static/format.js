// Times, sizes and counts as people read them.

const two = (number) => String(number).padStart(2, "0");

const day = (date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
const clock = (date) => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;

// Made once: it is slow to make, and a list has many times.
const zones = new Intl.DateTimeFormat("en", { timeZoneName: "short" });

function zone(date) {
  const parts = zones.formatToParts(date);
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "";
}

/** 2026-03-12 15:03:22 GMT+1, in the reader's zone. */
export const localTime = (date) => `${day(date)} ${clock(date)} ${zone(date)}`;

/** 2026-03-12 14:03:22 UTC: the clock of the server's own logs. */
export const utcTime = (date) => `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;

/** A valid Date, or null. */
export function dateOf(text) {
  const date = new Date(text ?? NaN);
  return Number.isNaN(date.getTime()) ? null : date;
}

const UNITS = [["year", 31_557_600], ["month", 2_629_800], ["day", 86_400], ["hour", 3_600], ["minute", 60]];

/** "3 hours", of seconds. */
export function span(seconds) {
  const [name, size] = UNITS.find(([, size]) => seconds >= size) ?? ["second", 1];
  return plural(Math.max(0, Math.floor(seconds / size)), name);
}

/** "3 hours ago", "in 5 days", "just now". */
export function ago(date, now = Date.now()) {
  const seconds = (now - date) / 1_000;
  if (Math.abs(seconds) < 60) return "just now";
  return seconds > 0 ? `${span(seconds)} ago` : `in ${span(-seconds)}`;
}

/** "2 days 3 hours", of seconds. */
export function longSpan(seconds) {
  const units = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];
  const largest = units.findIndex(([, size]) => seconds >= size);
  if (largest < 0) return "just now";
  let rest = Math.floor(seconds);
  const parts = units.slice(largest, largest + 2).map(([name, size]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return count > 0 ? plural(count, name) : "";
  });
  return `for ${parts.filter(Boolean).join(" ")}`;
}

export const number = (count) => Number(count).toLocaleString("en");

export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

/** 61.2 kB; a thousand bytes are a kB. */
export function size(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let [value, unit] = [Number(bytes), 0];
  while (value >= 999.5 && unit < units.length - 1) [value, unit] = [value / 1_000, unit + 1];
  return `${value < 9.95 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** "apply" of OperationTypeApply. */
export function operation(text) {
  const name = String(text ?? "").replace(/^OperationType/, "");
  return name === "" || name === "Invalid" ? "an operation" : name.toLowerCase();
}
