// Duplicates, side by side: what is proven, and a decision by one key. Nothing is ever deleted.

import { followJob, getInfo, getItem, getItems, getUrl, request } from "./api.js";
import { announce, formatBytes, formatCount, formatNumber, getFileName, getItemName, getThumbnailUrl, make, makeButton, makeError, makeIcon, makeNote, makePicture, makeSpinner, showToast } from "./dom.js";
import { MergePanel } from "./merge.js";

const PAGE = 60;
const COMPARING = "Comparing new pictures with all others";

// ---- the groups

// Compares what is new first, as a job whose progress is shown.
export async function compareNew(place) {
  const { change, server } = await getInfo(true);
  if (!server.writable) return;
  const bar = make("progress", { "aria-label": "Progress of comparing", max: 1 });
  const text = make("p", {}, `${COMPARING}…`);
  const box = make("section", { class: "progress", role: "status" }, text, bar);
  const jobs = (await request("/jobs")).jobs.filter(job => job.kind === "duplicates");
  if (jobs.some(job => job.report?.change === change)) return;
  const running = jobs.find(job => ["queued", "running"].includes(job.state));
  const { id } = running ?? await request("/duplicates/find", { method: "POST" });
  const wait = setTimeout(() => place.replaceChildren(box), 300);
  const job = await followJob(id, ({ done, total }) => {
    if (total) { bar.value = done / total; text.textContent = `${COMPARING}: ${formatNumber(done)} of ${formatNumber(total)}`; }
  }).finally(() => clearTimeout(wait));
  if (job.state === "failed") throw { title: "Duplicates could not be found", detail: job.error };
}

// Links to what comes of comparing: copies, and what belongs together.
export const makeTabs = current => make("nav", { class: "tabs", "aria-label": "Copies and stacks" }, ...[["duplicates", "Copies"], ["stacks", "Stacks"]].map(([view, label]) => make("a", { href: `#/${view}`, "aria-current": view === current ? "page" : null }, label)));

export async function show(stage, params) {
  const title = make("h1", { tabindex: "-1" }, "Duplicates");
  const count = make("p", { class: "count", role: "status" });
  const place = make("section", { "aria-label": "Groups of duplicates" }, makeSpinner("Finding duplicates…"));
  stage.replaceChildren(make("div", { class: "head" }, title, count), makeTabs("duplicates"), place);
  try {
    await compareNew(place);
    const groupId = Number(params.get("group"));
    const review = new Review(stage);
    await review.loadPage();
    const { writable } = (await getInfo()).server;
    if (groupId && review.open(groupId)) return review.title;
    if (groupId) showToast("That group is settled; these are left.");
    count.textContent = review.total ? `${formatCount(review.total, "group")} of pictures that are duplicates of each other` : "";
    place.replaceChildren(review.total ? makeOverview(review, writable) : makeNote("No duplicates", make("p", {}, "No picture is in here twice, or all duplicates are settled.")));
  } catch (error) {
    place.replaceChildren(makeError(error, () => show(stage, params)));
  }
  return title;
}

function makeOverview(review, writable) {
  const list = make("ul", { class: "groups", "aria-label": "Groups of duplicates" }, ...review.groups.map(makeTile));
  const begin = make("p", { class: "buttons" }, make("a", { class: "plain main", href: `#/duplicates?group=${review.groups[0].id}` }, writable ? "Review them one by one" : "Look at them one by one"));
  const more = makeButton(`Show more of ${review.total}`, async () => {
    const loaded = review.groups.length;
    await review.loadPage();
    list.append(...review.groups.slice(loaded).map(makeTile));
    more.hidden = review.cursor === null;
  }, { class: "plain more", hidden: review.cursor === null });
  return make("div", {}, begin, list, more);
}

function makeTile(group) {
  const itemIds = group.items.slice(0, 4);
  const surplus = group.items.length - itemIds.length;
  const isOneFile = group.items.length === 1;
  return make("li", {}, make("a", { class: "duplicate", href: isOneFile ? `#/items/${group.keep}` : `#/duplicates?group=${group.id}` },
    make("span", { class: `strip s${itemIds.length}` }, ...itemIds.map(itemId => makePicture(getThumbnailUrl(itemId, 160), "")), surplus > 0 && make("span", { class: "surplus" }, `+${surplus}`)),
    make("span", { class: "words" }, make("span", { class: "name" }, isOneFile ? "The same file" : formatCount(group.items.length, "picture")), make("span", { class: "about" }, isOneFile ? "in several places" : group.kind))));
}

// ---- one pair after the other

// Key, verdict, label, sign of the key.
const KEYS = [
  ["ArrowLeft", "keep-left", "Keep left", "←"], ["ArrowRight", "keep-right", "Keep right", "→"],
  ["b", "both", "Keep both", "B"], ["n", "not", "Not a duplicate", "N"],
];
const OUTCOMES = { "keep-left": "The left one is kept", "keep-right": "The right one is kept", both: "Both are kept", not: "Noted as no duplicates", all: "Only the left one is kept" };

class Review {
  constructor(stage) {
    this.stage = stage;
    this.groups = [];
    this.cursor = 0;
    this.total = 0;
    this.decisions = []; // what was decided, and the state before
    this.isWorking = false;
    this.isOverlayOpen = true;
    this.isMerging = true;
    this.title = make("h1", { tabindex: "-1" }, "Duplicates");
  }

  async loadPage() {
    const page = await request(`/duplicates?limit=${PAGE}&cursor=${this.cursor ?? 0}`);
    const known = new Set(this.groups.map(group => group.id));
    this.groups.push(...page.groups.filter(group => !known.has(group.id)));
    this.cursor = page.cursor;
    this.total = page.total;
  }

  open(groupId) {
    this.place = this.groups.findIndex(group => group.id === groupId && group.items.length > 1);
    if (this.place < 0) return false;
    this.enterGroup();
    current = this;
    this.draw();
    return true;
  }

  // The left picture is compared with each of the others in turn; the one that is kept goes on.
  enterGroup() {
    const [left, ...others] = this.groups[this.place].items;
    Object.assign(this, { left, others, pairs: others.length });
  }

  get right() { return this.others[0]; }

  get proof() {
    return this.groups[this.place].pairs.find(pair => (pair.a === this.left && pair.b === this.right) || (pair.b === this.left && pair.a === this.right));
  }

  async decide(verdict) {
    if (this.isWorking) return;
    this.isWorking = true;
    const before = { place: this.place, left: this.left, others: this.others, pairs: this.pairs };
    const items = verdict === "all" ? [this.left, ...this.others] : [this.left, this.right];
    const keep = verdict === "keep-right" ? this.right : this.left;
    try {
      const merge = !["both", "not"].includes(verdict) && await this.prepareMerge(verdict === "all", items);
      if (merge === null) { this.isWorking = false; return; }
      const json = verdict === "both" ? { what: "keep both", items } : verdict === "not" ? { what: "not duplicates", items } : { what: "keep", items, keep, merge };
      const { decisions } = await request("/decisions", { method: "POST", json });
      this.decisions.push({ ids: decisions, before });
      this.left = keep;
      this.others = verdict === "all" ? [] : this.others.slice(1);
      announce(OUTCOMES[verdict]);
      if (!this.others.length) await this.goToNextGroup();
      this.draw();
    } catch (error) { showToast(error.detail ?? error.message); }
    this.isWorking = false;
  }

  // The rules of what is merged; null if a person has to choose first.
  async prepareMerge(isAll, items) {
    let panel = await this.panel;
    this.isMerging = panel.isOn;
    if (isAll && panel.items.length < items.length) {
      const shown = panel.element;
      panel = await this.makePanel(items, [this.left]);
      if (panel.open.length && this.isMerging) { shown.replaceWith(panel.element); this.panel = panel; }
    }
    if (!panel.askForChoice()) return panel.rules;
    showToast(`Choose what the one that is kept says under ${panel.open.map(row => row.key).join(", ")}.`);
    return null;
  }

  async makePanel(items, keeps) {
    const known = await getItems(items);
    const labels = new Map(known.map(item => [item.id, items.length > 2 ? getFileName(item.uri ?? "") || item.key : item.id === this.left ? "left" : "right"]));
    const panel = new MergePanel(items, keeps, labels);
    panel.isOn = this.isMerging;
    return panel.load();
  }

  async goToNextGroup() {
    do {
      this.place += 1;
      if (this.place >= this.groups.length && this.cursor !== null) { this.cursor = 0; await this.loadPage(); }
    } while (this.place < this.groups.length && this.groups[this.place].items.length < 2);
    if (this.place < this.groups.length) this.enterGroup();
  }

  async undo() {
    const last = this.decisions.pop();
    if (!last || this.isWorking) return;
    this.isWorking = true;
    try {
      for (const id of last.ids) await request(`/decisions/${id}`, { method: "DELETE" });
      Object.assign(this, last.before);
      announce("Undone");
      this.draw();
    } catch (error) { this.decisions.push(last); showToast(error.detail ?? error.message); }
    this.isWorking = false;
  }

  async skip() {
    if (this.isWorking) return;
    this.isWorking = true;
    await this.goToNextGroup().finally(() => { this.isWorking = false; });
    this.draw();
  }

  async draw() {
    if (this.place >= this.groups.length) return this.finish();
    const group = this.groups[this.place];
    this.panel = this.makePanel([this.left, this.right], [this.left, this.right]); // what is pressed meanwhile waits for it
    history.replaceState(history.state, "", `#/duplicates?group=${group.id}`);
    const { server } = await getInfo();
    await getItems([this.left, ...this.others]);
    const [left, right] = [await getItem(this.left), await getItem(this.right)];
    const panel = await this.panel.catch(error => { showToast(error.detail ?? error.message); return { element: "" }; });
    const [leftFacts, rightFacts] = compareFacts(left, right);
    const suggest = item => (group.keep === item.id ? `suggested: ${group.reason}` : "");
    this.title.textContent = this.pairs > 1 ? `Pair ${this.pairs - this.others.length + 1} of ${this.pairs}` : "Duplicates";
    const head = make("div", { class: "head" }, make("nav", { class: "crumbs", "aria-label": "Breadcrumbs" }, make("ol", {}, make("li", {}, make("a", { href: "#/duplicates" }, "Duplicates")), make("li", { "aria-current": "page" }, `Group ${this.place + 1} of ${this.total}`))));
    const pair = make("div", { class: "pair" }, makeSide(left, "left", suggest(left), leftFacts), makeSide(right, "right", suggest(right), rightFacts));
    this.stage.replaceChildren(head, make("div", { class: "head" }, this.title, make("p", { class: "count" }, this.describeProof())), pair, server.writable ? panel.element : "", server.writable ? this.makeButtons() : "", this.makeOverlay());
    if (!this.stage.contains(document.activeElement)) this.title.focus({ preventScroll: true });
    this.preload();
  }

  // Fetches the next pair's pictures while this one is looked at.
  preload() {
    const nextItems = this.groups[this.place + 1]?.items ?? [];
    const itemIds = this.others.length > 1 ? [this.others[1]] : nextItems.slice(0, 2);
    for (const itemId of itemIds) new Image().src = getThumbnailUrl(itemId, 640);
  }

  describeProof() {
    const proof = this.proof;
    if (!proof) return "these two were not compared with each other: both are duplicates of a third picture";
    const differences = proof.evidence?.differs ?? [];
    return `${proof.kind}, ${Math.floor(1000 * proof.score) / 10} % sure${differences.length ? `: ${differences.join(", ")}` : ""}`;
  }

  makeButtons() {
    const makeKey = sign => make("kbd", { "aria-hidden": "true" }, sign);
    const buttons = KEYS.map(([key, verdict, label, sign]) => makeButton([label, makeKey(sign)], () => this.decide(verdict), { class: `plain ${verdict}`, "aria-keyshortcuts": key.length > 1 ? key : sign }));
    const undo = makeButton([makeIcon("undo"), "Undo", makeKey("U")], () => this.undo(), { class: "plain", disabled: !this.decisions.length, "aria-keyshortcuts": "U" });
    const skip = makeButton(["Skip", makeKey("S")], () => this.skip(), { class: "plain", "aria-keyshortcuts": "S" });
    const all = this.others.length > 1 && makeButton([`Keep left of all ${this.others.length + 1}`, makeKey("A")], () => this.decide("all"), { class: "plain all", "aria-keyshortcuts": "A" });
    return make("div", { class: "decide", role: "group", "aria-label": "Decide" }, ...buttons, all, make("span", { class: "push" }), undo, skip);
  }

  makeOverlay() {
    const image = makePicture(getUrl(`/v1/duplicates/overlay?a=${this.left}&b=${this.right}`), "Left, right, and the right one laid over the left with what differs in pink", { class: "overlay" });
    return make("details", { class: "proof", open: this.isOverlayOpen, ontoggle: event => { this.isOverlayOpen = event.target.open; } }, make("summary", {}, "Differences"), image);
  }

  finish() {
    history.replaceState(history.state, "", "#/duplicates");
    this.title.textContent = "All reviewed";
    const undo = makeButton([makeIcon("undo"), "Undo the last one"], () => this.undo(), { class: "plain", disabled: !this.decisions.length });
    this.stage.replaceChildren(make("section", { class: "note" }, this.title, make("p", {}, `${formatCount(this.decisions.length, "decision")}. Nothing was deleted: nearkin duplicates --move-to FOLDER moves the files that are not to be kept.`), make("p", { class: "buttons" }, undo, make("a", { class: "plain", href: "#/" }, "To the start page"))));
    this.title.focus();
  }
}

let current = null;

export function leave() {
  current = null;
}

export function handleKey(event) {
  if (!current || event.target.matches("input:not([type=radio], [type=checkbox]), select, textarea")) return;
  if (event.target.matches("[type=radio]") && event.key.startsWith("Arrow")) return;
  const pressed = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const [, verdict] = KEYS.find(([key]) => key === pressed) ?? [];
  const act = verdict ? () => current.decide(verdict) : { u: () => current.undo(), s: () => current.skip(), a: () => current.others.length > 1 && current.decide("all") }[pressed];
  if (!act || event.repeat) return;
  event.preventDefault();
  getInfo().then(({ server }) => { if (server.writable || pressed === "s") act(); });
}

function makeSide(item, side, suggestion, facts) {
  const name = getItemName(item);
  return make("figure", { class: "side" },
    make("a", { class: "stage", href: `#/items/${item.id}`, "aria-label": `${name}, the ${side} one: details` }, makePicture(getThumbnailUrl(item.id, 640), name, { loading: "eager" })),
    make("figcaption", {}, make("b", { class: "clip", title: item.uri ?? item.key }, name),
      make("span", { class: "sizes" }, ...facts.map(([text, wins]) => make("span", { class: wins ? "wins" : "" }, text))),
      make("span", { class: "clip quiet", title: item.uri ?? "" }, item.uri?.slice(0, item.uri.lastIndexOf("/") + 1) ?? ""),
      suggestion && make("span", { class: "suggestion" }, suggestion)));
}

// Size, format and bytes of both, with the larger ones marked.
function compareFacts(left, right) {
  const countPixels = item => (item.width ?? 0) * (item.height ?? 0);
  return [[left, right], [right, left]].map(([item, other]) => [
    [item.width ? `${item.width} × ${item.height}` : "", countPixels(item) > countPixels(other)],
    [item.format ?? "", false],
    [item.bytes ? formatBytes(item.bytes) : "", item.bytes > other.bytes],
  ].filter(([text]) => text));
}
