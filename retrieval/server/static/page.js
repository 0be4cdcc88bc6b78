// The page: which view the address names, and what all views share.

import { forgetAnswers, getInfo, onTokenNeeded, request, signInFromAddress, uploadPicture } from "./api.js";
import { announce, make, makeError, makeSpinner, showToast } from "./dom.js";
import { emptyQuery, getAddress, readQuery } from "./query.js";
import * as search from "./search.js";
import { signInByHand } from "./signin.js";
import * as start from "./start.js";

const $ = id => document.getElementById(id);
const main = $("main");
let drawing = null; // aborts what is being drawn
let drawnAddress = null, currentView = null, place = 0, scrolled = 0;
let leaveView = () => {}, handleViewKey = () => {};

// ---- views: the address's first word -> a function that fills a stage and returns its title

const views = {
  "": stage => start.show(stage, () => $("file").click()),
  search: (stage, _, params, signal) => search.show(stage, readQuery(params), signal),
  items: async (stage, [id], params) => { const view = await import("./item.js"); handleViewKey = view.handleKey; return view.show(stage, Number(id), readQuery(params), Number(params.get("part"))); },
  clusters: async (stage, [id], params) => { const view = await import("./clusters.js"); return id ? view.showCluster(stage, Number(id)) : view.showLevel(stage, params); },
  outliers: async (stage, _, params) => (await import("./clusters.js")).showOutliers(stage, params.get("of")),
  loose: async (stage, _, params) => (await import("./clusters.js")).showLoose(stage, params.get("level") ?? "medium", params.get("of")),
  corrections: async stage => (await import("./correct.js")).showCorrections(stage),
  new: async (stage, _, params) => (await import("./new.js")).show(stage, params),
  duplicates: async (stage, _, params) => { const view = await import("./duplicates.js"); leaveView = view.leave; handleViewKey = view.handleKey; return view.show(stage, params); },
  stacks: async (stage, _, params) => (await import("./stacks.js")).show(stage, params),
  path: async (stage, _, params) => (await import("./structure.js")).showPath(stage, params),
  summary: async (stage, _, params) => (await import("./structure.js")).showSummary(stage, params),
  map: async (stage, _, params) => (await import("./map.js")).show(stage, params),
  proposals: async stage => (await import("./proposals.js")).showProposals(stage),
  learn: async (stage, _, params) => { const view = await import("./learn.js"); leaveView = view.leave; handleViewKey = view.handleKey; return view.show(stage, params); },
  add: async stage => (await import("./add.js")).show(stage),
};
const CACHED_VIEWS = ["", "search", "items", "clusters", "outliers", "loose", "path", "summary", "map"];

// Views that were left, by their place in the history: Back shows them as they were.
const cache = new Map();
const MAX_CACHED = 12;

function readAddress() {
  const [path, params = ""] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [view = "", ...rest] = path.split("/");
  return { view, rest, params: new URLSearchParams(params) };
}

function changeView() {
  cacheView();
  leaveView();
  leaveView = handleViewKey = () => {};
  drawing?.abort();
  const cached = cache.get(history.state?.place);
  if (!cached) { draw(); return; }
  history.replaceState({ place: (place = history.state.place) }, "");
  drawnAddress = location.hash;
  updateHeader(readAddress());
  main.replaceChildren(cached.stage);
  currentView = cached;
  document.title = cached.name;
  const focusedNow = document.activeElement;
  setTimeout(() => {
    scrollTo(0, cached.scrolled);
    if (document.activeElement !== focusedNow) return; // somebody types already
    (cached.stage.querySelector(`a[href="${CSS.escape(cached.focused ?? "none")}"]`) ?? cached.title)?.focus({ preventScroll: true });
  }, 60);
}

function cacheView() {
  if (!currentView || !CACHED_VIEWS.includes(currentView.view)) return;
  const focused = currentView.stage.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  cache.delete(place);
  cache.set(place, { ...currentView, focused, scrolled });
  if (cache.size > MAX_CACHED) cache.delete(cache.keys().next().value);
}

async function draw({ focus = true } = {}) {
  drawing?.abort();
  const controller = drawing = new AbortController();
  const { view, rest, params } = readAddress();
  place = history.state?.place ?? Math.random();
  history.replaceState({ place }, "");
  drawnAddress = location.hash;
  currentView = null;
  updateHeader({ view, params });
  const stage = make("div", { class: "view" }, makeSpinner("Loading…"));
  const attach = () => { if (!controller.signal.aborted && !stage.isConnected) { main.replaceChildren(stage); if (focus) scrollTo(0, 0); } };
  const slow = setTimeout(attach, 150);
  let title;
  try {
    if (!(view in views)) throw { title: "Page not found", detail: "There is no such view; the address may be mistyped." };
    title = await views[view](stage, rest, params, controller.signal);
  } catch (error) {
    if (error.name !== "AbortError") stage.replaceChildren(makeError(error, draw));
  }
  clearTimeout(slow);
  if (controller.signal.aborted) return;
  attach();
  const name = view && title ? `${title.textContent} · nearkin` : "nearkin";
  document.title = name;
  currentView = { view, stage, title, name };
  if (focus && title?.isConnected && !stage.contains(document.activeElement)) title.focus({ preventScroll: true });
}

function updateHeader({ view, params }) {
  for (const link of document.querySelectorAll("[data-nav]")) {
    if (link.dataset.nav === view || (link.dataset.nav === "clusters" && ["outliers", "loose", "new", "corrections", "summary", "learn"].includes(view)) || (link.dataset.nav === "duplicates" && view === "stacks")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const { words, terms } = readQuery(params);
  const [first] = terms;
  if (view === "search") $("words").value = words || (terms.length === 1 && first.kind === "text" ? first.value : "");
  else if (view !== "items") $("words").value = "";
}

addEventListener("hashchange", () => { if (location.hash !== drawnAddress) changeView(); });
addEventListener("scroll", () => { scrolled = scrollY; }, { passive: true });
document.addEventListener("stale", () => cache.clear());
history.scrollRestoration = "manual";
$("skip").addEventListener("click", event => { event.preventDefault(); main.focus(); });

// ---- searching

// The query of the search view, empty elsewhere: a new search keeps its filter and cluster.
const getCurrentQuery = () => (readAddress().view === "search" ? readQuery(readAddress().params) : emptyQuery);

$("search").addEventListener("submit", async event => {
  event.preventDefault();
  const words = $("words").value.trim();
  if (!words) return;
  await adapted; // whoever types at once is quicker than the answer that says whether words can be seen
  const { where, within, group, level, scores, sure } = getCurrentQuery();
  const meaning = $("meaning").hidden ? "said" : $("meaning").value;
  const terms = meaning === "said" ? [] : [{ kind: "text", value: words, weight: 1 }];
  location.hash = getAddress({ ...emptyQuery, where, within, group, level, scores, sure, terms, words: meaning === "seen" ? "" : words });
});

async function searchByPicture(file) {
  if (!file) return;
  if (!file.type.startsWith("image/")) { showToast(`${file.name} is not a picture.`); return; }
  announce("Sending the picture");
  document.body.classList.add("sending");
  try {
    const { upload } = await uploadPicture(file);
    const { where, within } = getCurrentQuery();
    location.hash = getAddress({ ...emptyQuery, where, within, terms: [{ kind: "upload", value: upload, weight: 1 }] });
  } catch (error) {
    showToast(error.detail ?? error.message);
  }
  document.body.classList.remove("sending");
}

$("pick").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => { searchByPicture($("file").files[0]); $("file").value = ""; });
addEventListener("paste", event => {
  const file = [...event.clipboardData.files][0];
  if (file) { event.preventDefault(); searchByPicture(file); }
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
  searchByPicture(event.dataTransfer.files[0]);
});

addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const isTyping = event.target.matches("input, select, textarea");
  if (event.key === "Escape" && event.target === $("words")) main.focus();
  else if (event.key === "/" && !isTyping) { event.preventDefault(); $("words").focus(); $("words").select(); }
  else handleViewKey(event);
});

// ---- dark and light

const system = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  $("theme").setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"}`);
}

$("theme").addEventListener("click", () => {
  const theme = isDark() ? "light" : "dark";
  localStorage.setItem("nearkin-theme", theme);
  setTheme(theme);
});
system.addEventListener("change", () => setTheme());
setTheme(localStorage.getItem("nearkin-theme"));

// ---- begin

let setAdapted;
const adapted = new Promise(resolve => { setAdapted = resolve; });

async function adaptToServer() {
  const info = await getInfo();
  $("meaning").hidden = !info.words;
  $("words").placeholder = info.words ? "Search" : "Search texts and file names";
  $("adding").textContent = info.server.writable ? "Add" : "Jobs";
}

async function begin() {
  onTokenNeeded(signInByHand);
  await signInFromAddress();
  adaptToServer().catch(() => {}).finally(setAdapted);
  await Promise.all([draw({ focus: false }), adapted]);
  const news = await import("./new.js");
  news.watchForNews(() => { forgetAnswers(); draw({ focus: false }); });
  setInterval(async () => {
    if (!document.hidden) $("busy").hidden = !(await request("/jobs").catch(() => ({ jobs: [] }))).jobs.some(job => ["queued", "running"].includes(job.state));
  }, 5000);
}

begin();
