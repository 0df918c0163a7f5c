// Every request of the page. It sends the session's token as a Bearer header, and no cookie.
//
// - `get` asks until there is an answer: a lost connection is shown (`connection`) and tried again.
// - `send` changes something and asks once. If its answer is lost, nobody knows whether it was
//   done, and the error says so.
// - Errors are `ApiError` with a sentence for people in `message`.
// - Numbers keep all their digits: see `jsonOf`.

import { createStore } from "./data.js";

const PATIENCE_MS = 60_000;
const LONGEST_PAUSE_S = 15;

/** null, or since when there is no connection and when it is tried next. */
export const connection = createStore(null);

let token = null;
let mostRows = Infinity;
let onEnded = () => {};

/** Sets the token of the session, the most rows of a page, and what happens when the server refuses it. */
export function useToken(next, most = Infinity, ended = onEnded) {
  token = next;
  mostRows = most;
  onEnded = ended;
}

BigInt.prototype.toJSON = function toJSON() {
  return JSON.rawJSON?.(String(this)) ?? String(this);
};

/** A number as it was written, where a number of JavaScript is another one. */
function exact(name, value, { source } = {}) {
  if (typeof value !== "number" || source === undefined || String(value) === source) return value;
  return /^-?\d+$/.test(source) ? BigInt(source) : JSON.rawJSON(source);
}

/** The JSON of an answer. Integers above 2^53 become a BigInt, which is written with all its digits. */
async function jsonOf(response) {
  const text = await response.text();
  return JSON.parse(text, /[:[,]\s*-?(\d{16}|\d+[.eE])/.test(text) ? exact : undefined);
}

export class ApiError extends Error {
  constructor(message, { status = 0, code = "", body = null, retryAfter = 0 } = {}) {
    super(message);
    this.name = "ApiError";
    Object.assign(this, { status, code, body, retryAfter });
  }
}

/** A state's address; `more` is what stands below it. */
export function statePath({ workspace, buildingBlock }, more = "") {
  const part = encodeURIComponent;
  return `api/terraform/state/workspace/${part(workspace)}/buildingblock/${part(buildingBlock)}${more}`;
}

function withQuery(path, query) {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}

const sentence = (text) => {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
};

/** Whose lock it is, of an answer that is the holder's lock. */
function heldBy(lock) {
  const who = typeof lock?.Who === "string" && lock.Who !== "" ? lock.Who : "somebody else";
  return `${who} holds the lock. Look at the lock, and try again when it is released.`;
}

async function errorOf(response) {
  const body = await jsonOf(response).catch(() => null);
  const code = String(response.headers.get("Statekeep-Code") ?? body?.code ?? "");
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  const known = { status: response.status, code, body, retryAfter };
  if (response.headers.has("Statekeep-Code")) return new ApiError(heldBy(body), known);
  if (typeof body?.detail === "string") return new ApiError(sentence(body.detail), known);
  return new ApiError(`The answer is not from statekeep: HTTP ${response.status}.`, known);
}

async function once(method, path, { query, body, secret, signal, accept = [] } = {}) {
  const headers = { Accept: "application/json" };
  const credentials = secret ?? token;
  if (credentials) headers.Authorization = `Bearer ${credentials}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const signals = [AbortSignal.timeout(PATIENCE_MS), signal].filter(Boolean);
  const response = await fetch(withQuery(path, query), {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: "no-store",
    credentials: "omit",
    referrerPolicy: "no-referrer",
    redirect: "error",
    signal: AbortSignal.any(signals),
  });
  if (response.ok || accept.includes(response.status)) return response;
  const error = await errorOf(response);
  if (error.status === 401 && !secret && token) onEnded(error);
  throw error;
}

const isAborted = (error, signal) => signal?.aborted === true || error.name === "AbortError";
const isLost = (error) =>
  !(error instanceof ApiError) || ([502, 503, 504].includes(error.status) && error.code === "");
const isBusy = (error) => error instanceof ApiError && [429, 503].includes(error.status) && error.code !== "";

/** Ends of the pauses that requests are in. */
const waiting = new Set();

/** Tries a lost connection at once. */
export function tryNow() {
  for (const done of [...waiting]) done();
}

function pause(seconds, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      waiting.delete(done);
      resolve();
    };
    const timer = setTimeout(done, seconds * 1_000);
    waiting.add(done);
    signal?.addEventListener("abort", done, { once: true });
  });
}

/** A response to a GET. Waits for a lost connection, and for a server that is busy. */
async function persistently(path, options) {
  const { signal } = options;
  for (let tries = 0; ; tries += 1) {
    try {
      const response = await once("GET", path, options);
      connection.set(null);
      return response;
    } catch (error) {
      if (isAborted(error, signal)) throw error;
      const lost = isLost(error);
      if (!lost && !(isBusy(error) && tries < 3)) {
        connection.set(null);
        throw error;
      }
      const seconds = Math.min(LONGEST_PAUSE_S, error.retryAfter || 2 ** tries);
      if (lost) connection.set({ since: connection.get()?.since ?? Date.now(), next: Date.now() + seconds * 1_000 });
      await pause(seconds, signal);
      if (signal?.aborted) throw error;
    }
  }
}

/** The JSON at a path. `query.limit` is made what the server allows. `accept` are statuses that answer as 200 does. */
export async function get(path, query, options = {}) {
  const fitting = query?.limit ? { ...query, limit: Math.min(query.limit, mostRows) } : query;
  return jsonOf(await persistently(path, { ...options, query: fitting }));
}

/** The response itself, such as one whose bytes are saved as a file. */
export function getResponse(path, query, options = {}) {
  return persistently(path, { ...options, query });
}

/** Changes something, once. The answer's JSON, or null if it has none. */
export async function send(method, path, { query, body, secret } = {}) {
  try {
    const response = await once(method, path, { query, body, secret });
    connection.set(null);
    return response.status === 204 ? null : await jsonOf(response);
  } catch (error) {
    if (error instanceof ApiError && !isLost(error)) throw error;
    throw new ApiError("No answer came back, so it is not known whether this was done. Look before you try again.", { code: "lost" });
  }
}

/** All pages of a list, each handed to `each` as it comes. */
export async function pages(path, query, each, signal) {
  let after;
  while (after !== null && !signal.aborted) {
    const page = await get(path, { ...query, after }, { signal });
    if (signal.aborted) return;
    each(page);
    after = page.next;
  }
}
