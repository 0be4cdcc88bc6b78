// Many pictures at once: picked by click, shift, keyboard or a long touch, then tagged, edited, downloaded, hidden, removed.

import { forgetAnswers, forgetItems, getInfo, getUrl, request } from "./api.js";
import { announce, formatCount, formatNumber, make, makeButton, makeIcon, showToast } from "./dom.js";
import { emptyQuery, getAddress } from "./query.js";

const MOST = 10_000; // pictures that are picked at once
const MEAN_OF = 24; // pictures whose mean a search asks with
const IDS_PER_DOWNLOAD = 1200; // an address has its limits
const LONG_TOUCH = 450; // milliseconds

export class Selection {
  // `getAllIds`: fetches the ids of all that the grid shows a part of; without it, all is what the grid holds.
  constructor(grid, getAllIds = null) {
    Object.assign(this, { grid, getAllIds, ids: new Set(), last: null });
    grid.selection = this;
    this.bar = make("div", { class: "selection-bar", role: "toolbar", "aria-label": "What to do with the picked pictures", hidden: true });
    grid.element.addEventListener("click", event => this.handleClick(event), true);
    grid.element.addEventListener("keydown", event => this.handleKey(event), true);
    grid.element.addEventListener("pointerdown", event => this.watchTouch(event));
    grid.element.addEventListener("contextmenu", event => { if (this.touched) event.preventDefault(); });
    this.bar.addEventListener("keydown", event => { if (event.key === "Escape") this.clear(); });
  }

  // The box on a picture. The keyboard picks with x, so that it needs no stop of its own.
  makeMark(entry) {
    return make("input", { type: "checkbox", class: "mark", tabindex: "-1", "aria-label": `Pick ${entry.name}`, checked: this.ids.has(entry.id) });
  }

  get isOff() { return Boolean(this.grid.element.closest(".picking")); }

  handleClick(event) {
    if (this.isOff) return;
    const cell = event.target.closest(".cell");
    const place = Number(cell?.querySelector("[data-place]")?.dataset.place ?? NaN);
    if (Number.isNaN(place)) return;
    const isMark = event.target.classList.contains("mark");
    if (this.swallow) { this.swallow = false; event.preventDefault(); event.stopPropagation(); return; }
    if (!isMark && !(event.target.closest(".shot") && (this.ids.size || event.shiftKey) && !event.ctrlKey && !event.metaKey)) return;
    if (!isMark) { event.preventDefault(); event.stopPropagation(); }
    if (event.shiftKey && this.last !== null) this.pickRange(this.last, place);
    else this.toggle(place);
    if (isMark) event.target.checked = this.ids.has(this.grid.entries[place].id);
  }

  handleKey(event) {
    const place = Number(event.target.dataset?.place ?? NaN);
    if (this.isOff || Number.isNaN(place)) return;
    if ((event.ctrlKey || event.metaKey) && event.key === "a") { event.preventDefault(); this.pickAll(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "x") { event.preventDefault(); this.toggle(place); }
    else if (event.key === "Escape" && this.ids.size) { event.stopPropagation(); this.clear(); }
    else if (event.shiftKey && event.key.startsWith("Arrow")) setTimeout(() => {
      const goal = Number(document.activeElement?.dataset?.place ?? NaN);
      if (!Number.isNaN(goal)) this.pickRange(place, goal);
    });
  }

  watchTouch(event) {
    this.touched = event.pointerType === "touch";
    const cell = event.target.closest(".cell");
    if (!this.touched || !cell || this.isOff) return;
    const place = Number(cell.querySelector("[data-place]").dataset.place);
    const timer = setTimeout(() => { this.swallow = true; this.toggle(place); navigator.vibrate?.(10); }, LONG_TOUCH);
    const stop = () => clearTimeout(timer);
    for (const name of ["pointerup", "pointercancel", "pointermove", "scroll"]) addEventListener(name, stop, { once: true, passive: true });
  }

  toggle(place) {
    const { id } = this.grid.entries[place];
    if (!this.ids.delete(id)) this.ids.add(id);
    this.last = place;
    this.update();
  }

  pickRange(from, to) {
    for (let place = Math.min(from, to); place <= Math.max(from, to); place++) this.ids.add(this.grid.entries[place].id);
    this.last = to;
    this.update();
  }

  async pickAll() {
    for (const { id } of this.grid.entries) this.ids.add(id);
    this.update();
    if (!this.getAllIds) return;
    try {
      for (const id of (await this.getAllIds(MOST)).slice(0, MOST)) this.ids.add(id);
      this.update();
    } catch (error) { showToast(error.detail ?? error.message); }
  }

  clear() {
    this.ids.clear();
    this.update();
  }

  async update() {
    const { element } = this.grid;
    element.classList.toggle("selecting", this.ids.size > 0);
    for (const cell of element.querySelectorAll(".cell")) {
      const entry = this.grid.entries[Number(cell.querySelector("[data-place]").dataset.place)];
      const isPicked = Boolean(entry && this.ids.has(entry.id));
      cell.classList.toggle("picked", isPicked);
      const mark = cell.querySelector(".mark");
      if (mark) mark.checked = isPicked;
    }
    if (!this.bar.isConnected) element.after(this.bar);
    this.bar.hidden = this.ids.size === 0;
    if (!this.ids.size) return;
    const count = formatCount(this.ids.size, "picture");
    if (!this.count) await this.fillBar();
    this.count.textContent = `${formatNumber(this.ids.size)} picked`;
    announce(`${count} picked`);
  }

  async fillBar() {
    this.count = make("b", {});
    const { server: { writable } } = await getInfo();
    const act = (text, onPress, attributes = {}) => makeButton(text, onPress, { class: "plain", ...attributes });
    this.bar.replaceChildren(this.count, act("All of this", () => this.pickAll(), { title: "Pick all that this list shows a part of (Ctrl+A)" }),
      act("Search by these", () => this.searchByMean(), { title: "Find what is like the mean of these pictures" }),
      ...(writable ? [act("Tag and edit…", () => this.edit()), act("Favourite", () => this.change({ favourite: true }, "Marked as favourites"))] : []),
      act("Download", () => this.download("archive")), act("Export as table", () => this.download("export")),
      ...(writable ? [act("Hide", () => this.hide(), { title: "Leave them out of lists; they stay in the collection" }), act("Remove", () => this.remove(), { title: "Put them into the bin, from which they can be restored" })] : []),
      makeButton(makeIcon("close"), () => this.clear(), { class: "tiny", "aria-label": "Pick none" }));
  }

  listIds() { return [...this.ids].sort((a, b) => a - b); }

  searchByMean() {
    const ids = this.listIds();
    const step = Math.max(1, ids.length / MEAN_OF);
    const chosen = Array.from({ length: Math.min(ids.length, MEAN_OF) }, (_, number) => ids[Math.floor(number * step)]);
    location.hash = getAddress({ ...emptyQuery, terms: chosen.map(value => ({ kind: "item", value, weight: 1 })) });
  }

  download(kind) {
    const ids = this.listIds();
    for (let first = 0; first < ids.length; first += IDS_PER_DOWNLOAD) {
      const where = encodeURIComponent(JSON.stringify({ id: { $in: ids.slice(first, first + IDS_PER_DOWNLOAD) } }));
      const link = make("a", { href: getUrl(`/v1/${kind}?where=${where}`), download: "", hidden: true });
      setTimeout(() => { document.body.append(link); link.click(); link.remove(); }, first / IDS_PER_DOWNLOAD * 700);
    }
    if (ids.length > IDS_PER_DOWNLOAD) showToast(`They come as ${Math.ceil(ids.length / IDS_PER_DOWNLOAD)} files.`);
  }

  async send(body) {
    const ids = this.listIds();
    const { updated } = await request("/items", { method: "PATCH", json: { ...body, where: { id: { $in: ids } } } });
    forgetItems(ids);
    forgetAnswers();
    return updated;
  }

  async change(metadata, outcome) {
    try {
      await this.send({ metadata });
      showToast(`${outcome}: ${formatCount(this.ids.size, "picture")}`);
    } catch (error) { showToast(error.detail ?? error.message); }
  }

  async edit() {
    const { askForChanges } = await import("./edit.js");
    const body = await askForChanges(formatCount(this.ids.size, "picture"));
    if (!body) return;
    try { showToast(`Changed ${formatCount(await this.send(body), "picture")}`); } catch (error) { showToast(error.detail ?? error.message); }
  }

  async hide() {
    const ids = this.listIds();
    await this.leave(() => this.send({ metadata: { hidden: true } }), "Hidden", () => request("/items", { method: "PATCH", json: { metadata: { hidden: false }, where: { id: { $in: ids } } } }));
  }

  async remove() {
    const ids = this.listIds();
    const json = { items: ids };
    await this.leave(() => request("/items/remove", { method: "POST", json }), "In the bin", () => request("/trash/restore", { method: "POST", json }));
  }

  // Does something after which the pictures are not shown here any more, and offers to take it back.
  async leave(act, outcome, takeBack) {
    const gone = new Set(this.ids), before = this.grid.entries;
    try {
      await act();
      forgetAnswers();
      this.grid.setEntries(before.filter(entry => !gone.has(entry.id)));
      this.clear();
      showToast(`${outcome}: ${formatCount(gone.size, "picture")}`, ["Undo", async () => {
        await takeBack().catch(error => showToast(error.detail ?? error.message));
        forgetItems([...gone]);
        forgetAnswers();
        this.grid.setEntries(before);
      }]);
    } catch (error) { showToast(error.detail ?? error.message); }
  }
}

// Fetches the ids of all items that meet a filter, up to `most`.
export async function fetchIds(where, most) {
  const ids = [];
  let cursor = null;
  do {
    const params = new URLSearchParams({ limit: 1000, ...(where && { where: JSON.stringify(where) }), ...(cursor !== null && { cursor }) });
    const page = await request(`/items?${params}`);
    ids.push(...page.items.map(item => item.id));
    ({ cursor } = page);
  } while (cursor !== null && ids.length < most);
  return ids;
}
