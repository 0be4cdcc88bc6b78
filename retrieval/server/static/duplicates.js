// Copies, side by side: what is proven, and a decision by one key. Nothing is ever deleted.

import { ask, follow, info, item, several } from "./api.js";
import { busy, button, bytes, called, counted, drawn, make, nothing, picture, say, thumbnail, toast, trouble } from "./dom.js";

const PAGE = 60;

// ---- the groups

// What is new is compared first, as a job whose progress is told.
async function compare(place) {
  const { change, server } = await info(true);
  if (!server.writable) return;
  const bar = make("progress", { "aria-label": "Progress of comparing", max: 1 });
  const words = make("p", {}, "Comparing what is new with everything…");
  const box = make("section", { class: "progress", role: "status" }, words, bar);
  const jobs = (await ask("/jobs")).jobs.filter(one => one.kind === "duplicates");
  if (jobs.some(one => one.report?.change === change)) return;
  const running = jobs.find(one => ["queued", "running"].includes(one.state));
  const job = running ?? await ask("/duplicates/find", { method: "POST" });
  const wait = setTimeout(() => place.replaceChildren(box), 300);
  const ended = await follow(job.id, now => {
    if (now.total) { bar.value = now.done / now.total; words.textContent = `Comparing what is new with everything: ${now.done.toLocaleString("en")} of ${now.total.toLocaleString("en")}`; }
  }).finally(() => clearTimeout(wait));
  if (ended.state === "failed") throw { title: "Copies could not be found", detail: ended.error };
}

export async function show(main, params) {
  const title = make("h1", { tabindex: "-1" }, "Duplicates");
  const count = make("p", { class: "count", role: "status" });
  const place = make("section", { "aria-label": "Groups of copies" }, busy("Looking for copies…"));
  main.replaceChildren(make("div", { class: "head" }, title, count), place);
  try {
    await compare(place);
    const wanted = Number(params.get("group"));
    const review = new Review(main);
    await review.load();
    const { writable } = (await info()).server;
    if (wanted && review.open(wanted)) return review.title;
    if (wanted) toast("That group is settled; these are left.");
    count.textContent = review.total ? `${counted(review.total, "group")} of pictures that are copies of each other` : "";
    place.replaceChildren(review.total ? overview(review, writable) : nothing("No copies", make("p", {}, "Nothing is in here twice, or all of it is settled.")));
  } catch (error) {
    place.replaceChildren(trouble(error, () => show(main, params)));
  }
  return title;
}

function overview(review, writable) {
  const list = make("ul", { class: "copies", "aria-label": "Groups of copies" }, ...review.groups.map(one => tile(one)));
  const begin = make("p", { class: "buttons" }, make("a", { class: "plain main", href: `#/duplicates?group=${review.groups[0].id}` }, writable ? "Review them one by one" : "Look at them one by one"));
  const more = button(`Show more of ${review.total}`, async () => {
    const before = review.groups.length;
    await review.load();
    list.append(...review.groups.slice(before).map(one => tile(one)));
    more.hidden = review.cursor === null;
  }, { class: "plain more", hidden: review.cursor === null });
  return make("div", {}, begin, list, more);
}

function tile(group) {
  const shown = group.items.slice(0, 4);
  const rest = group.items.length - shown.length;
  const places = group.items.length === 1;
  const what = places ? "one file in several places" : group.kind;
  return make("li", {}, make("a", { class: "copy", href: places ? `#/items/${group.keep}` : `#/duplicates?group=${group.id}` },
    make("span", { class: `strip s${shown.length}` }, ...shown.map(one => picture(thumbnail(one, 160), "")), rest > 0 && make("span", { class: "rest" }, `+${rest}`)),
    make("span", { class: "words" }, make("span", { class: "name" }, places ? "The same file" : counted(group.items.length, "copy").replace("copys", "copies")), make("span", { class: "about" }, what))));
}

// ---- one pair after the other

const KEYS = [
  ["ArrowLeft", "keep-left", "Keep left", "←"], ["ArrowRight", "keep-right", "Keep right", "→"],
  ["b", "both", "Keep both", "B"], ["n", "not", "Not a copy", "N"],
];

class Review {
  constructor(main) {
    this.main = main;
    this.groups = [];
    this.cursor = 0;
    this.total = 0;
    this.done = [];
    this.working = false;
    this.overlaid = true;
    this.title = make("h1", { tabindex: "-1" }, "Copies");
  }

  async load() {
    const page = await ask(`/duplicates?limit=${PAGE}&cursor=${this.cursor ?? 0}`);
    const known = new Set(this.groups.map(one => one.id));
    this.groups.push(...page.groups.filter(one => !known.has(one.id)));
    this.cursor = page.cursor;
    this.total = page.total;
  }

  open(id) {
    this.at = this.groups.findIndex(one => one.id === id && one.items.length > 1);
    if (this.at < 0) return false;
    this.enter();
    current = this;
    this.draw();
    return true;
  }

  enter() {
    const [left, ...rest] = this.groups[this.at].items;
    Object.assign(this, { left, rest, whole: rest.length });
  }

  get right() { return this.rest[0]; }

  get proof() {
    return this.groups[this.at].pairs.find(one => (one.a === this.left && one.b === this.right) || (one.b === this.left && one.a === this.right));
  }

  async decide(what) {
    if (this.working) return;
    this.working = true;
    const before = { at: this.at, left: this.left, rest: this.rest, whole: this.whole };
    const all = what === "all" ? [this.left, ...this.rest] : [this.left, this.right];
    const keep = what === "keep-right" ? this.right : this.left;
    const json = what === "both" ? { what: "keep both", items: all } : what === "not" ? { what: "not duplicates", items: all } : { what: "keep", items: all, keep };
    try {
      const { decisions } = await ask("/decisions", { method: "POST", json });
      this.done.push({ decisions, before });
      this.left = keep;
      this.rest = what === "all" ? [] : this.rest.slice(1);
      say({ both: "Both are kept", not: "Noted as no copy", all: "The left one is kept, no other" }[what] ?? `The ${what === "keep-right" ? "right" : "left"} one is kept`);
      if (!this.rest.length) await this.next();
      this.draw();
    } catch (error) { toast(error.detail ?? error.message); }
    this.working = false;
  }

  async next() {
    do {
      this.at += 1;
      if (this.at >= this.groups.length && this.cursor !== null) { this.cursor = 0; await this.load(); }
    } while (this.at < this.groups.length && this.groups[this.at].items.length < 2);
    if (this.at < this.groups.length) this.enter();
  }

  async undo() {
    const last = this.done.pop();
    if (!last || this.working) return;
    this.working = true;
    try {
      for (const one of last.decisions) await ask(`/decisions/${one}`, { method: "DELETE" });
      Object.assign(this, last.before);
      say("Taken back");
      this.draw();
    } catch (error) { this.done.push(last); toast(error.detail ?? error.message); }
    this.working = false;
  }

  async skip() {
    if (this.working) return;
    this.working = true;
    await this.next().finally(() => { this.working = false; });
    this.draw();
  }

  async draw() {
    if (this.at >= this.groups.length) return this.finish();
    const group = this.groups[this.at];
    history.replaceState(history.state, "", `#/duplicates?group=${group.id}`);
    const { server } = await info();
    await several([this.left, ...this.rest]);
    const [left, right] = [await item(this.left), await item(this.right)];
    const better = compareFacts(left, right);
    this.title.textContent = this.whole > 1 ? `Copy ${this.whole - this.rest.length + 1} of ${this.whole}` : "Copies";
    const head = make("div", { class: "head" }, make("nav", { class: "crumbs", "aria-label": "Breadcrumbs" }, make("ol", {}, make("li", {}, make("a", { href: "#/duplicates" }, "Duplicates")), make("li", { "aria-current": "page" }, `Group ${this.at + 1} of ${this.total}`))));
    const row = make("div", { class: "pair" }, side(left, "left", group.keep === left.id ? `suggested: ${group.reason}` : "", better[0]), side(right, "right", group.keep === right.id ? `suggested: ${group.reason}` : "", better[1]));
    this.main.replaceChildren(head, make("div", { class: "head" }, this.title, make("p", { class: "count" }, this.said())), row, server.writable ? this.buttons() : "", this.evidence());
    if (!this.main.contains(document.activeElement)) this.title.focus({ preventScroll: true });
    this.ahead();
  }

  // The next pair's pictures are fetched while this one is looked at.
  ahead() {
    const next = this.rest[1] ?? this.groups[this.at + 1]?.items[1];
    for (const one of [next, this.rest.length > 1 ? null : this.groups[this.at + 1]?.items[0]]) if (one) new Image().src = thumbnail(one, 640);
  }

  said() {
    const proof = this.proof;
    if (!proof) return "a copy of a copy; these two were not matched with each other";
    const differs = proof.evidence?.differs ?? [];
    return `${proof.kind}, ${Math.floor(1000 * proof.score) / 10} % sure${differs.length ? `: ${differs.join(", ")}` : ""}`;
  }

  buttons() {
    const made = KEYS.map(([, what, words, sign]) => button([words, make("kbd", { "aria-hidden": "true" }, sign)], () => this.decide(what), { class: `plain ${what}`, "aria-keyshortcuts": sign === "←" ? "ArrowLeft" : sign === "→" ? "ArrowRight" : sign }));
    const undo = button([drawn("undo"), "Undo", make("kbd", { "aria-hidden": "true" }, "U")], () => this.undo(), { class: "plain", disabled: !this.done.length, "aria-keyshortcuts": "U" });
    const skip = button(["Skip", make("kbd", { "aria-hidden": "true" }, "S")], () => this.skip(), { class: "plain", "aria-keyshortcuts": "S" });
    const all = this.rest.length > 1 && button([`Keep left of all ${this.rest.length + 1}`, make("kbd", { "aria-hidden": "true" }, "A")], () => this.decide("all"), { class: "plain all", "aria-keyshortcuts": "A" });
    return make("div", { class: "decide", role: "group", "aria-label": "Decide" }, ...made, all, make("span", { class: "push" }), undo, skip);
  }

  evidence() {
    const image = picture(`/v1/duplicates/overlay?a=${this.left}&b=${this.right}`, "Left, right, and the right one laid over the left with what differs in pink", { class: "overlay" });
    return make("details", { class: "proof", open: this.overlaid, ontoggle: event => { this.overlaid = event.target.open; } }, make("summary", {}, "Laid over each other"), image);
  }

  finish() {
    history.replaceState(history.state, "", "#/duplicates");
    this.title.textContent = "All looked through";
    const undo = button([drawn("undo"), "Undo the last one"], () => this.undo(), { class: "plain", disabled: !this.done.length });
    this.main.replaceChildren(make("section", { class: "nothing" }, this.title, make("p", {}, `${counted(this.done.length, "decision")}. Nothing was deleted: decisions say what to keep, and nearkin duplicates --move puts the others aside.`), make("p", { class: "buttons" }, undo, make("a", { class: "plain", href: "#/" }, "To the start"))));
    this.title.focus();
  }
}

let current = null;

export function leave() {
  current = null;
}

export function key(event) {
  if (!current || event.target.matches("input, select, textarea")) return;
  const pressed = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const [, what] = KEYS.find(([one]) => one === pressed) ?? [];
  const act = what ? () => current.decide(what) : { u: () => current.undo(), s: () => current.skip(), a: () => current.rest.length > 1 && current.decide("all") }[pressed];
  if (!act || event.repeat) return;
  event.preventDefault();
  info().then(({ server }) => { if (server.writable || pressed === "s") act(); });
}

function side(one, where, why, better) {
  const name = called(one);
  return make("figure", { class: "side" },
    make("a", { class: "stage", href: `#/items/${one.id}`, "aria-label": `${name}, the ${where} one: details` }, picture(thumbnail(one.id, 640), name, { loading: "eager" })),
    make("figcaption", {}, make("b", { class: "clip", title: one.uri ?? one.key }, name),
      make("span", { class: "sizes" }, ...better.map(([text, wins]) => make("span", { class: wins ? "wins" : "" }, text))),
      make("span", { class: "clip quiet", title: one.uri ?? "" }, one.uri ? one.uri.slice(0, one.uri.length - name.length) : ""),
      why && make("span", { class: "why" }, why)));
}

// Size, format and bytes of both, with the larger ones marked.
function compareFacts(left, right) {
  const pixels = one => (one.width ?? 0) * (one.height ?? 0);
  return [[left, right], [right, left]].map(([mine, other]) => [
    [mine.width ? `${mine.width} × ${mine.height}` : "", pixels(mine) > pixels(other)],
    [mine.format ?? "", false],
    [mine.bytes ? bytes(mine.bytes) : "", mine.bytes > other.bytes],
  ].filter(([text]) => text));
}
