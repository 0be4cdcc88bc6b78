// Stacks: pictures that belong together and are no copies, each with a cover that can be chosen.

import { getInfo, getItem, getItems, request } from "./api.js";
import { announce, formatCount, getItemName, getThumbnailUrl, make, makeButton, makeError, makeIcon, makeNote, makePicture, makeSpinner, showToast } from "./dom.js";
import { compareNew, makeTabs } from "./duplicates.js";

const PAGE = 60;
const KINDS = ["burst", "exposure bracket", "focus series", "raw + jpeg", "raw + heic", "heic + jpeg", "edit", "crop", "screenshot", "inside another picture"];

export async function show(stage, params) {
  const title = make("h1", { tabindex: "-1" }, "Stacks");
  const count = make("p", { class: "count", role: "status" });
  const place = make("section", { "aria-label": "Stacks" }, makeSpinner("Finding stacks…"));
  stage.replaceChildren(make("div", { class: "head" }, title, count), makeTabs("stacks"), place);
  try {
    await compareNew(place);
    const kind = KINDS.includes(params.get("kind")) ? params.get("kind") : "";
    const list = new List(kind);
    const stackId = Number(params.get("stack"));
    do await list.loadPage(); while (stackId && list.cursor !== null && !list.find(stackId));
    if (stackId && list.find(stackId)) return showStack(stage, list.find(stackId));
    if (stackId) showToast("That stack is gone; these are left.");
    count.textContent = list.total ? `${formatCount(list.total, "stack")} of pictures that belong together` : "";
    const note = makeNote("No stacks", make("p", {}, kind ? `No pictures form a stack of the kind ${kind}.` : "No pictures were taken in a series or made of each other, as far as their files tell."));
    place.replaceChildren(makeKinds(kind), list.total ? list.make() : note);
  } catch (error) {
    place.replaceChildren(makeError(error, () => show(stage, params)));
  }
  return title;
}

function makeKinds(kind) {
  const change = event => { location.hash = event.target.value ? `#/stacks?kind=${encodeURIComponent(event.target.value)}` : "#/stacks"; };
  const choices = KINDS.map(name => make("option", { value: name, selected: name === kind }, capitalise(name)));
  return make("label", { class: "kinds" }, "Show ", make("select", { onchange: change }, make("option", { value: "" }, "All kinds"), ...choices));
}

const capitalise = text => text.charAt(0).toUpperCase() + text.slice(1);

class List {
  constructor(kind) {
    this.kind = kind;
    this.stacks = [];
    this.cursor = 0;
    this.total = 0;
  }

  async loadPage() {
    const page = await request(`/stacks?limit=${PAGE}&cursor=${this.cursor}&compare=false${this.kind ? `&kind=${encodeURIComponent(this.kind)}` : ""}`);
    this.stacks.push(...page.stacks);
    Object.assign(this, { cursor: page.cursor, total: page.total });
  }

  find(stackId) { return this.stacks.find(stack => stack.id === stackId); }

  make() {
    const tiles = make("ul", { class: "groups", "aria-label": "Stacks" }, ...this.stacks.map(makeTile));
    const more = makeButton(`Show more of ${this.total}`, async () => {
      const loaded = this.stacks.length;
      await this.loadPage();
      tiles.append(...this.stacks.slice(loaded).map(makeTile));
      more.hidden = this.cursor === null;
    }, { class: "plain more", hidden: this.cursor === null });
    return make("div", {}, tiles, more);
  }
}

function makeTile(stack) {
  const others = stack.items.length - 1;
  return make("li", {}, make("a", { class: "duplicate", href: `#/stacks?stack=${stack.id}` },
    make("span", { class: "strip s1" }, makePicture(getThumbnailUrl(stack.cover, 320), ""), make("span", { class: "surplus" }, `+${others}`)),
    make("span", { class: "words" }, make("span", { class: "name" }, capitalise(stack.kind)), make("span", { class: "about" }, stack.reason))));
}

// ---- one stack

async function showStack(stage, stack) {
  const { writable } = (await getInfo()).server;
  const decisions = [];
  const title = make("h1", { tabindex: "-1" }, capitalise(stack.kind));
  const list = make("ul", { class: "members", "aria-label": "Pictures of the stack" });
  const undo = makeButton([makeIcon("undo"), "Undo"], takeBack, { class: "plain", disabled: true });
  await getItems(stack.items);
  const items = await Promise.all(stack.items.map(getItem));

  function draw() {
    list.replaceChildren(...items.map(item => makeMember(item, stack, writable && choose)));
    undo.disabled = !decisions.length;
  }

  async function choose(item) {
    try {
      const { decision } = await request("/stacks/cover", { method: "POST", json: { kind: stack.kind, items: stack.items, cover: item.id } });
      decisions.push({ decision, cover: stack.cover, cover_reason: stack.cover_reason });
      Object.assign(stack, { cover: item.id, cover_reason: "chosen" });
      announce(`${getItemName(item)} is the cover`);
      draw();
      list.querySelector("[aria-current]")?.focus();
    } catch (error) { showToast(error.detail ?? error.message); }
  }

  async function takeBack() {
    const { decision, ...before } = decisions.pop();
    try {
      await request(`/decisions/${decision}`, { method: "DELETE" });
      Object.assign(stack, before);
      announce("Undone");
      draw();
    } catch (error) { showToast(error.detail ?? error.message); }
  }

  draw();
  const crumbs = make("nav", { class: "crumbs", "aria-label": "Breadcrumbs" }, make("ol", {}, make("li", {}, make("a", { href: "#/stacks" }, "Stacks")), make("li", { "aria-current": "page" }, capitalise(stack.kind))));
  stage.replaceChildren(make("div", { class: "head" }, crumbs), make("div", { class: "head" }, title, make("p", { class: "count" }, stack.reason)), list, writable ? make("p", { class: "buttons" }, undo) : "");
  return title;
}

function makeMember(item, stack, choose) {
  const isCover = item.id === stack.cover;
  const name = getItemName(item);
  const facts = [item.width && `${item.width} × ${item.height}`, item.format, item.taken_at?.replace("T", " ")].filter(Boolean);
  const mark = isCover ? make("span", { class: "suggestion", tabindex: "-1", "aria-current": "true" }, `cover: ${stack.cover_reason}`) : choose && makeButton("Make it the cover", () => choose(item), { class: "plain", "aria-label": `Make ${name} the cover` });
  return make("li", { class: isCover ? "member cover" : "member" },
    make("a", { href: `#/items/${item.id}`, "aria-label": `${name}: details` }, makePicture(getThumbnailUrl(item.id, 640), name)),
    make("b", { class: "clip", title: item.uri ?? item.key }, name),
    make("span", { class: "sizes" }, ...facts.map(fact => make("span", {}, fact))), mark);
}
