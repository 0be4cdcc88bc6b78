// Requests to the server. Problem documents (RFC 9457) become errors that carry their own sentence.

export class Problem extends Error {
  constructor({ title, detail, status, type }) {
    super(detail ?? title);
    Object.assign(this, { title, detail, status, type });
  }
}

// An address of the server's, wherever the page lies: at its root, or below the path of another app or of a proxy.
export const getUrl = path => new URL(`..${path}`, import.meta.url).href;

// A key for what the browser keeps: of its own for each place below which the page may lie on one host.
export const makeKey = name => `nearkin-${name}${new URL(getUrl("/")).pathname.slice(0, -1)}`;

const TOKEN_KEY = makeKey("token");
let token = sessionStorage.getItem(TOKEN_KEY);
let askForToken = null;

// Sets what to do where a token is needed: `ask` asks a person once, however many requests wait for it.
export function onTokenNeeded(ask) {
  askForToken = ask;
}

export async function signIn(newToken) {
  await readResponse(await fetch(getUrl("/v1/session"), { method: "POST", headers: { "Content-Type": "application/json", "X-Nearkin": "page" }, body: JSON.stringify({ token: newToken }) }));
  token = newToken;
  sessionStorage.setItem(TOKEN_KEY, newToken);
}

// Takes a token out of the address (#token=...).
export async function signInFromAddress() {
  const match = /[#&?]token=([^&]+)/.exec(location.hash);
  if (match) history.replaceState(null, "", location.hash.replace(match[0], "") || "#/");
  const newToken = match ? decodeURIComponent(match[1]) : token;
  if (newToken) await signIn(newToken).catch(() => { token = null; });
}

export async function request(path, { method = "GET", json, form, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (method !== "GET") headers["X-Nearkin"] = "page";
  if (json !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(getUrl(`/v1${path}`), { method, headers, signal, body: form ?? (json === undefined ? undefined : JSON.stringify(json)) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ title: "The server does not respond", detail: "Is it still running? What is on the page stays; try again in a moment.", status: 0 });
  }
  if (response.status === 401 && askForToken) {
    await askForToken();
    return request(path, { method, json, form, signal });
  }
  return readResponse(response);
}

// What a path answers, as bytes.
export async function requestBytes(path) {
  const response = await fetch(getUrl(`/v1${path}`), { headers: token ? { Authorization: `Bearer ${token}` } : {} });
  if (!response.ok) return readResponse(response);
  return response.arrayBuffer();
}

async function readResponse(response) {
  if (response.status === 204) return null;
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem({ title: `The server answered with status ${response.status}`, ...body, status: response.status });
  return body;
}

// ---- answers that are kept

let info;

export const getInfo = (fresh = false) => (fresh || !info ? info = request("/info") : info);

const items = new Map();

export function rememberItems(newItems) {
  for (const item of newItems) items.set(item.id, item);
  return newItems;
}

export function forgetItems(ids) {
  for (const id of ids) items.delete(id);
}

// Items by id; those that are not known yet are fetched together.
export async function getItems(ids) {
  const missing = [...new Set(ids)].filter(id => !items.has(id));
  for (let start = 0; start < missing.length; start += 500) {
    const where = JSON.stringify({ id: { $in: missing.slice(start, start + 500) } });
    rememberItems((await request(`/items?limit=500&where=${encodeURIComponent(where)}`)).items);
  }
  return ids.map(id => items.get(id)).filter(Boolean);
}

export async function getItem(id) {
  return items.get(id) ?? rememberItems([await request(`/items/${id}`)])[0];
}

const levels = new Map();

// of: a kind of parts, whose clusters are meant.
export function getClusters(level, since, of) {
  const path = `/clusters?level=${encodeURIComponent(level)}${since ? `&since=${since}` : ""}${of ? `&of=${encodeURIComponent(of)}` : ""}`;
  if (!levels.has(path)) levels.set(path, request(path).catch(error => { levels.delete(path); throw error; }));
  return levels.get(path);
}

// Forgets what may be out of date.
export function forgetAnswers() {
  levels.clear();
  info = undefined;
  document.dispatchEvent(new Event("stale"));
}

export async function uploadPicture(file, signal) {
  const form = new FormData();
  form.append("picture", file);
  return request("/uploads", { method: "POST", form, signal });
}

// ---- as it happens

// Calls `onChange` with a job whenever it changes; the promise is its last state.
export function followJob(jobId, onChange) {
  return new Promise((resolve, reject) => {
    const source = new EventSource(getUrl(`/v1/jobs/${jobId}/events`));
    source.onmessage = event => {
      const job = JSON.parse(event.data);
      onChange(job);
      if (["done", "failed", "cancelled"].includes(job.state)) { source.close(); resolve(job); }
    };
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) reject(new Problem({ title: "The job's progress is unavailable", detail: "The connection to the server was lost; reload the page to see how the job ended." }));
    };
  });
}

// Calls `onChange` with the newest change number; not while the page is hidden, since a browser has few connections to one server.
export function watchChanges(onChange) {
  let source = null;
  const listen = () => {
    if (document.hidden) { source?.close(); source = null; }
    else if (!source) {
      source = new EventSource(getUrl("/v1/changes"));
      source.onmessage = event => onChange(JSON.parse(event.data).change);
    }
  };
  document.addEventListener("visibilitychange", listen);
  addEventListener("pagehide", () => { source?.close(); source = null; });
  addEventListener("pageshow", listen);
  listen();
}
