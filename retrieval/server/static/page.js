// The page: which view the address names, and what all views share.

import { ask, forget, info, signInFromAddress, upload, whenRefused } from "./api.js";
import { busy, make, say, toast, trouble } from "./dom.js";
import { address, empty, read } from "./question.js";
import * as search from "./search.js";
import { signInByHand } from "./signin.js";
import * as start from "./start.js";

const $ = id => document.getElementById(id);
const main = $("main");
let drawing = null, came = null, shown = null, place = 0, scrolled = 0;
let leave = () => {}, keys = () => {};

// ---- views: the address's first word -> a function that fills a stage and gives its title

const views = {
  "": stage => start.show(stage, () => $("file").click()),
  search: (stage, _, params, signal) => search.show(stage, read(params), signal),
  items: async (stage, [id], params) => (await import("./item.js")).show(stage, Number(id), read(params)),
  clusters: async (stage, [id], params) => { const view = await import("./clusters.js"); return id ? view.one(stage, Number(id)) : view.overview(stage, params); },
  outliers: async stage => (await import("./clusters.js")).outliers(stage),
  loose: async (stage, _, params) => (await import("./clusters.js")).loose(stage, params.get("level") ?? "medium"),
  new: async (stage, _, params) => (await import("./news.js")).show(stage, params),
  duplicates: async (stage, _, params) => { const view = await import("./duplicates.js"); leave = view.leave; keys = view.key; return view.show(stage, params); },
  add: async stage => (await import("./add.js")).show(stage),
};
const KEPT = ["", "search", "items", "clusters", "outliers", "loose"];

// Views that were left, by their place in the history: Back shows them as they were.
const left = new Map();
const MANY = 12;

function where() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [view = "", ...rest] = path.split("/");
  return { view, rest, params: new URLSearchParams(query) };
}

function turn() {
  keep();
  leave();
  leave = keys = () => {};
  drawing?.abort();
  const again = left.get(history.state?.place);
  if (!again) { draw(); return; }
  history.replaceState({ place: (place = history.state.place) }, "");
  came = location.hash;
  header(where());
  main.replaceChildren(again.stage);
  shown = again;
  document.title = again.name;
  setTimeout(() => {
    scrollTo(0, again.scrolled);
    (again.stage.querySelector(`a[href="${CSS.escape(again.focused ?? "none")}"]`) ?? again.title)?.focus({ preventScroll: true });
  }, 60);
}

function keep() {
  if (!shown || !KEPT.includes(shown.view)) return;
  const focused = shown.stage.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  left.delete(place);
  left.set(place, { ...shown, focused, scrolled });
  if (left.size > MANY) left.delete(left.keys().next().value);
}

async function draw({ focus = true } = {}) {
  drawing?.abort();
  const mine = drawing = new AbortController();
  const { view, rest, params } = where();
  place = history.state?.place ?? Math.random();
  history.replaceState({ place }, "");
  came = location.hash;
  shown = null;
  header({ view, params });
  const stage = make("div", { class: "view" }, busy("Loading…"));
  const attach = () => { if (!mine.signal.aborted && !stage.isConnected) { main.replaceChildren(stage); if (focus) scrollTo(0, 0); } };
  const slow = setTimeout(attach, 150);
  let title;
  try {
    if (!(view in views)) throw { title: "There is no such view", detail: "The address names nothing on this page." };
    title = await views[view](stage, rest, params, mine.signal);
  } catch (error) {
    if (error.name !== "AbortError") stage.replaceChildren(trouble(error, draw));
  }
  clearTimeout(slow);
  if (mine.signal.aborted) return;
  attach();
  const name = view && title ? `${title.textContent} · nearkin` : "nearkin";
  document.title = name;
  shown = { view, stage, title, name };
  if (focus && title?.isConnected && !stage.contains(document.activeElement)) title.focus({ preventScroll: true });
}

function header({ view, params }) {
  for (const link of document.querySelectorAll("[data-nav]")) {
    if (link.dataset.nav === view || (link.dataset.nav === "clusters" && ["outliers", "loose", "new"].includes(view))) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const { said, parts } = read(params);
  const [only] = parts;
  if (view === "search") $("words").value = said || (parts.length === 1 && only.kind === "text" ? only.value : "");
  else if (view !== "items") $("words").value = "";
}

addEventListener("hashchange", () => { if (location.hash !== came) turn(); });
addEventListener("scroll", () => { scrolled = scrollY; }, { passive: true });
document.addEventListener("stale", () => left.clear());
history.scrollRestoration = "manual";
$("skip").addEventListener("click", event => { event.preventDefault(); main.focus(); });

// ---- asking

const inSearch = () => (where().view === "search" ? read(where().params) : empty);

$("ask").addEventListener("submit", event => {
  event.preventDefault();
  const words = $("words").value.trim();
  if (!words) return;
  const { where: filter, within, group, level, scores } = inSearch();
  const seen = !$("meaning").hidden && $("meaning").value === "seen";
  location.hash = address({ ...empty, where: filter, within, group, level, scores, ...(seen ? { parts: [{ kind: "text", value: words, weight: 1 }] } : { said: words }) });
});

async function byPicture(file) {
  if (!file) return;
  if (!file.type.startsWith("image/")) { toast(`${file.name} is no picture.`); return; }
  say("Sending the picture");
  document.body.classList.add("sending");
  try {
    const sent = await upload(file);
    const { where: filter, within } = inSearch();
    location.hash = address({ ...empty, where: filter, within, parts: [{ kind: "upload", value: sent.upload, weight: 1 }] });
  } catch (error) {
    toast(error.detail ?? error.message);
  }
  document.body.classList.remove("sending");
}

$("pick").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => { byPicture($("file").files[0]); $("file").value = ""; });
addEventListener("paste", event => {
  const file = [...event.clipboardData.files][0];
  if (file) { event.preventDefault(); byPicture(file); }
});
addEventListener("dragover", event => {
  if (![...event.dataTransfer.types].includes("Files")) return;
  event.preventDefault();
  $("drop").hidden = false;
});
addEventListener("dragleave", event => { if (!event.relatedTarget) $("drop").hidden = true; });
addEventListener("drop", event => {
  event.preventDefault();
  $("drop").hidden = true;
  byPicture(event.dataTransfer.files[0]);
});

addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "Escape" && event.target === $("words")) main.focus();
  else if (event.key === "/" && !typing) { event.preventDefault(); $("words").focus(); $("words").select(); }
  else keys(event);
});

// ---- dark and light

const system = matchMedia("(prefers-color-scheme: dark)");
const dark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";

function theme(chosen) {
  if (chosen) document.documentElement.dataset.theme = chosen;
  $("theme").setAttribute("aria-label", `Switch to ${dark() ? "light" : "dark"}`);
}

$("theme").addEventListener("click", () => {
  const next = dark() ? "light" : "dark";
  localStorage.setItem("nearkin-theme", next);
  theme(next);
});
system.addEventListener("change", () => theme());
theme(localStorage.getItem("nearkin-theme"));

// ---- begin

async function settle() {
  const facts = await info();
  $("meaning").hidden = !facts.words;
  $("words").placeholder = facts.words ? "Search" : "Words about pictures";
  $("adding").textContent = facts.server.writable ? "Add" : "Jobs";
}

async function begin() {
  whenRefused(signInByHand);
  await signInFromAddress();
  await Promise.all([draw({ focus: false }), settle().catch(() => {})]);
  const news = await import("./news.js");
  news.watch(() => { forget(); draw({ focus: false }); });
  setInterval(async () => {
    if (!document.hidden) $("busy").hidden = !(await ask("/jobs").catch(() => ({ jobs: [] }))).jobs.some(one => ["queued", "running"].includes(one.state));
  }, 5000);
}

begin();
