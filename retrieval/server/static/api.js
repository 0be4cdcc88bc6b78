// The server, asked. Problems (RFC 9457) become errors that carry their own sentence.

export class Problem extends Error {
  constructor({ title, detail, status, type }) {
    super(detail ?? title);
    Object.assign(this, { title, detail, status, type });
  }
}

const KEY = "nearkin-token";
let token = sessionStorage.getItem(KEY);
let needed = null;

// What to do where a token is needed: asks a person once, however many requests wait for it.
export function whenRefused(ask) {
  needed = ask;
}

export async function signIn(given) {
  await answer(await fetch("/v1/session", { method: "POST", headers: { "Content-Type": "application/json", "X-Nearkin": "page" }, body: JSON.stringify({ token: given }) }));
  token = given;
  sessionStorage.setItem(KEY, given);
}

// A token in the address (#token=...) is taken and struck out of it.
export async function signInFromAddress() {
  const found = /[#&?]token=([^&]+)/.exec(location.hash);
  if (found) history.replaceState(null, "", location.hash.replace(found[0], "") || "#/");
  const given = found ? decodeURIComponent(found[1]) : token;
  if (given) await signIn(given).catch(() => { token = null; });
}

export async function ask(path, { method = "GET", json, form, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (method !== "GET") headers["X-Nearkin"] = "page";
  if (json !== undefined) headers["Content-Type"] = "application/json";
  let found;
  try {
    found = await fetch(`/v1${path}`, { method, headers, signal, body: form ?? (json === undefined ? undefined : JSON.stringify(json)) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ title: "The server does not answer", detail: "Is it still running? What was shown before is still here; try again in a moment.", status: 0 });
  }
  if (found.status === 401 && needed) {
    await needed();
    return ask(path, { method, json, form, signal });
  }
  return answer(found);
}

async function answer(found) {
  if (found.status === 204) return null;
  const told = await found.json().catch(() => ({}));
  if (!found.ok) throw new Problem({ title: `The server answered ${found.status}`, ...told, status: found.status });
  return told;
}

// ---- what is asked for often

let facts;

export const info = (fresh = false) => (fresh || !facts ? facts = ask("/info") : facts);

const items = new Map();

export function remember(found) {
  for (const one of found) items.set(one.id, one);
  return found;
}

// Items by id, those that are not known yet in one question.
export async function several(ids) {
  const missing = [...new Set(ids)].filter(one => !items.has(one));
  for (let start = 0; start < missing.length; start += 500) {
    const where = JSON.stringify({ id: { $in: missing.slice(start, start + 500) } });
    remember((await ask(`/items?limit=500&where=${encodeURIComponent(where)}`)).items);
  }
  return ids.map(one => items.get(one)).filter(Boolean);
}

export async function item(id) {
  return items.get(id) ?? remember([await ask(`/items/${id}`)])[0];
}

const levels = new Map();

// What was asked may be out of date.
export function forget() {
  levels.clear();
  facts = undefined;
  document.dispatchEvent(new Event("stale"));
}

export function clusters(level, since) {
  const path = `/clusters?level=${encodeURIComponent(level)}${since ? `&since=${since}` : ""}`;
  if (!levels.has(path)) levels.set(path, ask(path).catch(error => { levels.delete(path); throw error; }));
  return levels.get(path);
}

export async function upload(file, signal) {
  const form = new FormData();
  form.append("picture", file);
  return ask("/uploads", { method: "POST", form, signal });
}

// ---- as it happens

// A job whenever it changes, until it ends; the promise is its last state.
export function follow(job, tell) {
  return new Promise((done, failed) => {
    const source = new EventSource(`/v1/jobs/${job}/events`);
    source.onmessage = event => {
      const now = JSON.parse(event.data);
      tell(now);
      if (["done", "failed", "cancelled"].includes(now.state)) { source.close(); done(now); }
    };
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) failed(new Problem({ title: "The job can't be followed", detail: "The server stopped telling about it; reload the page to see how it ended." }));
    };
  });
}

// The newest change number; not while nobody looks, since a browser has few connections to one server.
export function live(tell) {
  let source = null;
  const listen = () => {
    if (document.hidden) { source?.close(); source = null; }
    else if (!source) {
      source = new EventSource("/v1/changes");
      source.onmessage = event => tell(JSON.parse(event.data).change);
    }
  };
  document.addEventListener("visibilitychange", listen);
  addEventListener("pagehide", () => { source?.close(); source = null; });
  addEventListener("pageshow", listen);
  listen();
}
