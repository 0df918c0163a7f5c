// Who is signed in. A key's secret is exchanged for a token at once and then forgotten. The token
// lives in this tab alone, lasts 15 minutes, and is extended while a person works.

import { ApiError, get, send, useToken } from "./api.js";
import { createStore } from "./data.js";

const STORED_AS = "statekeep.session";
const LIFE_S = 900;
export const IDLE_MS = 900_000;
/** How long before the idle end the page says so. */
export const WARNING_MS = 60_000;
const LOOK_EVERY_MS = 5_000;

/**
 * null, or {token, endsAt, lifeMs, activeAt, who, lasting}: times in milliseconds, `who` as
 * /api/whoami, `lasting` whether the token can be extended.
 */
export const session = createStore(null);
/** Why the last session ended, as a sentence for the form; null if there is nothing to say. */
export const ending = createStore(null);
/** Milliseconds until the idle end while it is near, else null. */
export const idleEnd = createStore(null);

let activeAt = Date.now();

function keep(next) {
  session.set(next);
  useToken(next?.token ?? null, next?.who.max_page, () => end("The server has ended the session. Sign in again."));
  if (next === null) sessionStorage.removeItem(STORED_AS);
  else sessionStorage.setItem(STORED_AS, JSON.stringify(next));
}

function end(reason) {
  keep(null);
  idleEnd.set(null);
  ending.set(reason);
}

async function exchange(id, secret) {
  const wanted = { clientId: id, clientSecret: secret, renewable: true };
  try {
    return await send("POST", "api/login", { body: { ...wanted, expires_in: LIFE_S } });
  } catch (error) {
    // The server's tokens live for less than that.
    if (error.code !== "bad_request") throw error;
    return send("POST", "api/login", { body: wanted });
  }
}

/** Signs in with a key's secret, or with a token as it is. Throws an ApiError. */
export async function signIn(text) {
  const secret = text.trim();
  if (!/^[\x21-\x7e]+$/.test(secret)) throw new ApiError("This is no key's secret. It begins with skp_ and has no spaces.");
  const who = await send("GET", "api/whoami", { secret }).catch((error) => {
    if (error.status !== 401) throw error;
    throw new ApiError("The server does not know this secret, or it has ended. Use another key, or rotate this one.");
  });
  activeAt = Date.now();
  if (who.kind !== "key") {
    const endsAt = who.ends_at === null ? Infinity : Date.parse(who.ends_at);
    keep({ token: secret, endsAt, lifeMs: 0, activeAt, who, lasting: false });
  } else {
    const answer = await exchange(who.key.id, secret);
    const lifeMs = answer.expires_in * 1_000;
    const known = { ...who, permissions: answer.permissions };
    keep({ token: answer.access_token, endsAt: Date.now() + lifeMs, lifeMs, activeAt, who: known, lasting: true });
  }
  ending.set(null);
}

/** Ends the token on the server and in this tab. */
export async function signOut(reason = null) {
  const had = session.get();
  end(reason);
  if (had) await send("DELETE", "api/token", { secret: had.token }).catch(() => null);
}

export function stayActive() {
  activeAt = Date.now();
  if (idleEnd.get() !== null) idleEnd.set(null);
}

let extending = false;

async function extend(now) {
  if (extending) return;
  extending = true;
  const had = session.get();
  try {
    const answer = await send("POST", "api/token/extend", { body: {} });
    if (session.get()?.token === had.token) keep({ ...session.get(), endsAt: now + answer.expires_in * 1_000 });
  } catch (error) {
    // It has lived for as long as a token may, so it lives on until its end.
    if (error.status === 403 && session.get()) keep({ ...session.get(), lasting: false });
  } finally {
    extending = false;
  }
}

function look() {
  const now = Date.now();
  const current = session.get();
  if (current === null) return;
  const left = activeAt + IDLE_MS - now;
  if (left <= 0) return void signOut("You were signed out after 15 minutes without work.");
  if (now >= current.endsAt) return void signOut("The session has reached its end. Sign in again.");
  idleEnd.set(left <= WARNING_MS ? left : null);
  if (current.activeAt !== activeAt) keep({ ...current, activeAt });
  // No earlier than at half of its life, so that requests are few.
  if (current.lasting && current.endsAt - now < current.lifeMs / 2) extend(now);
}

/** Takes up what this tab had before a reload, and begins to watch over it. */
export function resume() {
  try {
    const had = JSON.parse(sessionStorage.getItem(STORED_AS));
    const live = had && Date.now() < had.endsAt && Date.now() < had.activeAt + IDLE_MS;
    if (live) {
      activeAt = had.activeAt;
      keep(had);
      get("api/whoami").then((who) => session.get() && keep({ ...session.get(), who }), () => null);
    } else if (had) {
      end("You were signed out after 15 minutes without work.");
    }
  } catch {
    end(null);
  }
  for (const kind of ["pointerdown", "keydown", "wheel", "touchstart"]) {
    addEventListener(kind, stayActive, { passive: true, capture: true });
  }
  setInterval(look, LOOK_EVERY_MS);
  document.addEventListener("visibilitychange", () => document.hidden || look());
}

/** Whether the session has a permission, or one that contains it. */
export function may(permission, who = session.get()?.who) {
  const names = who?.permissions ?? [];
  const has = new Set([...names, ...names.map((name) => name.replace(/^ADM_(?=TFSTATE_|EVENTLOG_)/, ""))]);
  return [permission, ...(CONTAINED_IN[permission] ?? [])].some((name) => has.has(name));
}

/** Which permissions contain this one (docs/api.md, Keys). */
const CONTAINED_IN = {
  // The list of outputs is what the page asks for; a key that inspects may see it too.
  TFSTATE_OUTPUTS: ["TFSTATE_INSPECT", "TFSTATE_LIST", "TFSTATE_PLAN", "TFSTATE_SAVE"],
  TFSTATE_INSPECT: ["TFSTATE_LIST", "TFSTATE_SAVE"],
  TFSTATE_LIST: ["TFSTATE_SAVE"],
  TFSTATE_PLAN: ["TFSTATE_SAVE"],
};
