// Pictures in rows of one width each. Rows lie in blocks; a block far from the viewport is an empty box of its height.

import { formatScore, getItemName, getPartUrl, getThumbnailUrl, make, makePicture, setVariables } from "./dom.js";

const ROWS_PER_BLOCK = 8;
const GAP = 8;
let sequence = []; // the list in which a picture was chosen last, to go through it from one picture to the next
export const getSequence = () => sequence;

const fillers = new WeakMap(); // block -> function that fills it (true) or empties it (false)

const nearby = new IntersectionObserver(sightings => {
  for (const { target, isIntersecting } of sightings) fillers.get(target)?.(isIntersecting);
}, { rootMargin: "1200px 0px" });

export class Grid {
  // `label`: of the list. `getLink`: entry -> address. `makeActions`: entry -> buttons on its picture. `lines`: a line of text below each picture. `rowHeight`: pixels.
  constructor(label, { getLink, makeActions = () => [], lines = false, rowHeight = null } = {}) {
    this.element = make("div", { class: "grid", role: "list", "aria-label": label });
    Object.assign(this, { getLink, makeActions, lines, rowHeight, entries: [], rows: [], blocks: [], width: 0 });
    new ResizeObserver(([{ contentRect }]) => {
      if (Math.abs(contentRect.width - this.width) > 1) this.layOut();
    }).observe(this.element);
    this.element.addEventListener("keydown", event => this.handleKey(event));
    this.element.addEventListener("click", event => { if (event.target.closest(".shot")) sequence = this.entries; });
  }

  // Entries: { id, width, height, name, score?, sure?, line?, part?, getUrl? }; getUrl: edge -> address of what is shown.
  add(entries) {
    this.entries.push(...entries);
    this.layOut();
    return this;
  }

  setEntries(entries) {
    this.entries = entries;
    this.blocks = [];
    this.layOut();
  }

  layOut() {
    this.width = Math.floor(this.element.getBoundingClientRect().width);
    if (!this.width) return;
    const focused = this.element.contains(document.activeElement) ? document.activeElement : null;
    const focusedPlace = Number(focused?.closest(".cell")?.querySelector("[data-place]").dataset.place ?? NaN);
    this.rows = this.buildRows();
    const known = new Map(this.blocks.map(block => [block.key, block]));
    this.blocks = [];
    for (let first = 0; first < this.rows.length; first += ROWS_PER_BLOCK) {
      const rows = this.rows.slice(first, first + ROWS_PER_BLOCK);
      const key = `${this.width} ${first} ${rows.at(-1).cells.at(-1).place}`;
      this.blocks.push(known.get(key) ?? { key, element: this.makeBlock(rows) });
    }
    this.element.replaceChildren(...this.blocks.map(block => block.element));
    if (!Number.isNaN(focusedPlace)) this.focusPlace(focusedPlace, focused.matches(".pick"));
  }

  // Makes the pictures anew, since what is on them has changed.
  redraw() {
    for (const { element } of this.blocks.filter(block => block.element.hasChildNodes())) {
      element.replaceChildren();
      fillers.get(element)(true);
    }
  }

  buildRows() {
    const target = this.rowHeight ?? (this.width < 520 ? 118 : this.width < 900 ? 160 : 184);
    const rows = [];
    let cells = [], ratios = 0;
    this.entries.forEach((entry, place) => {
      const ratio = Math.min(3, Math.max(0.5, entry.width && entry.height ? entry.width / entry.height : 1));
      cells.push({ entry, place, ratio });
      ratios += ratio;
      const height = (this.width - GAP * (cells.length - 1)) / ratios;
      if (height <= target * 1.12) { rows.push({ cells, height }); cells = []; ratios = 0; }
    });
    if (cells.length) rows.push({ cells, height: Math.min(target, (this.width - GAP * (cells.length - 1)) / ratios) });
    return rows;
  }

  makeBlock(rows) {
    const lineHeight = this.lines ? 26 : 0;
    const height = rows.reduce((sum, row) => sum + row.height + lineHeight + GAP, 0);
    const block = setVariables(make("div", { class: "block" }), { tall: `${height}px` });
    const fill = isNear => {
      if (isNear === block.hasChildNodes() || (!isNear && block.contains(document.activeElement))) return;
      block.replaceChildren(...(isNear ? rows.flatMap(row => row.cells.map(cell => this.makeCell(cell, row.height))) : []));
    };
    fillers.set(block, fill);
    nearby.observe(block);
    return block;
  }

  makeCell({ entry, place, ratio }, height) {
    const sure = entry.sure ? ` ${entry.sure}` : "";
    const suffix = entry.score === undefined ? "" : `, score ${formatScore(entry.score)}${sure}`;
    const image = makePicture((entry.getUrl ?? (edge => getThumbnailUrl(entry.id, edge)))(height * ratio > 340 ? 640 : 320), entry.name + suffix);
    const link = make("a", { class: "shot", href: this.getLink(entry), "data-place": place, title: entry.name }, image);
    if (entry.score !== undefined) link.append(make("span", { class: "score", "aria-hidden": "true" }, formatScore(entry.score) + sure));
    const cell = make("div", { class: this.selection?.ids.has(entry.id) ? "cell picked" : "cell", role: "listitem" }, link, this.selection?.makeMark(entry) ?? "", make("span", { class: "quick" }, ...this.makeActions(entry)));
    if (this.lines) cell.append(make("span", { class: "line", title: entry.line ?? entry.name }, entry.line ?? entry.name));
    return setVariables(cell, { w: `${Math.floor(height * ratio * 100) / 100}px`, h: `${height}px` });
  }

  findRow(place) {
    return this.rows.findIndex(row => row.cells.some(cell => cell.place === place));
  }

  // Focuses a picture, or the box by which it is picked.
  focusPlace(place, isBox = false) {
    const number = this.findRow(place);
    if (number < 0) return;
    const block = this.element.children[Math.floor(number / ROWS_PER_BLOCK)];
    fillers.get(block)(true);
    const picture = block.querySelector(`[data-place="${place}"]`);
    (isBox ? picture?.closest(".cell").querySelector(".pick") : picture)?.focus();
  }

  handleKey(event) {
    const place = Number(event.target.dataset?.place ?? NaN);
    if (event.key === " " && this.onLook && !Number.isNaN(place)) { event.preventDefault(); this.onLook(place); return; }
    if (Number.isNaN(place) || event.altKey || event.ctrlKey || event.metaKey) return;
    const goal = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: this.entries.length - 1 }[event.key] ?? this.findVertical(place, event.key);
    if (goal === undefined || goal < 0 || goal >= this.entries.length) return;
    event.preventDefault();
    this.focusPlace(goal);
  }

  // The place above or below: the picture whose middle is nearest.
  findVertical(place, key) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[key];
    const number = this.findRow(place);
    const nextRow = step && this.rows[number + step];
    if (!nextRow) return undefined;
    const listMiddles = ({ cells, height }) => {
      let left = 0;
      return cells.map(cell => { const wide = height * cell.ratio, middle = left + wide / 2; left += wide + GAP; return { middle, place: cell.place }; });
    };
    const { middle: goal } = listMiddles(this.rows[number]).find(cell => cell.place === place);
    return listMiddles(nextRow).reduce((best, cell) => (Math.abs(cell.middle - goal) < Math.abs(best.middle - goal) ? cell : best)).place;
  }
}

export const makeEntry = (item, extra = {}) => ({ id: item.id, width: item.width, height: item.height, name: getItemName(item), ...extra });

// A part as an entry, with an id of its own.
export function makePartEntry(part, item, extra = {}) {
  const [width, height] = part.box ? part.box.slice(2) : [item.width, item.height];
  return { id: part.id, item: item.id, width, height, name: getItemName(item), getUrl: edge => getPartUrl(part.id, edge), ...extra };
}

export const getPartLink = entry => `#/items/${entry.item}?part=${entry.id}`;

// An element at the grid's end that fetches more when it comes near; `getNext` returns entries and whether there are more.
export function makeEndlessEnd(grid, getNext) {
  const end = make("p", { class: "end" });
  let waiting = false;
  const observer = new IntersectionObserver(async ([sighting]) => {
    if (!sighting.isIntersecting || waiting) return;
    waiting = true;
    try {
      const { entries, more } = await getNext();
      grid.add(entries);
      if (!more) { observer.disconnect(); end.remove(); }
      else { observer.unobserve(end); requestAnimationFrame(() => observer.observe(end)); }
    } catch (error) {
      observer.disconnect();
      end.textContent = error.detail ?? error.message;
    }
    waiting = false;
  }, { rootMargin: "900px" });
  observer.observe(end);
  return end;
}
