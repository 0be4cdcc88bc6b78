// Pictures in rows of one width each. Rows lie in blocks; a block far from what is seen is an empty box of its height.

import { called, make, picture, put, score, thumbnail } from "./dom.js";

const ROWS = 8;
const GAP = 8;
const blocks = new WeakMap();

const near = new IntersectionObserver(seen => {
  for (const { target, isIntersecting } of seen) blocks.get(target)?.(isIntersecting);
}, { rootMargin: "1200px 0px" });

export class Grid {
  // `label`: of the list. `link`: entry -> address. `act`: entry -> buttons of its own.
  constructor(label, { link, act = () => [], lines = false, tall = null } = {}) {
    this.element = make("div", { class: "grid", role: "list", "aria-label": label });
    Object.assign(this, { link, act, lines, tall, entries: [], rows: [], parts: [], width: 0 });
    new ResizeObserver(([{ contentRect }]) => {
      if (Math.abs(contentRect.width - this.width) > 1) this.lay();
    }).observe(this.element);
    this.element.addEventListener("keydown", event => this.step(event));
  }

  // Entries: { id, width, height, name, score?, line? }.
  add(entries) {
    this.entries.push(...entries);
    this.lay();
    return this;
  }

  lay() {
    this.width = Math.floor(this.element.getBoundingClientRect().width);
    if (!this.width) return;
    const focused = Number(document.activeElement?.closest?.("[data-place]")?.dataset.place ?? NaN);
    const had = this.element.contains(document.activeElement);
    this.rows = this.justified();
    const before = new Map(this.parts.map(one => [one.key, one]));
    this.parts = [];
    for (let first = 0; first < this.rows.length; first += ROWS) {
      const rows = this.rows.slice(first, first + ROWS);
      const key = `${this.width} ${first} ${rows.at(-1).row.at(-1).place}`;
      this.parts.push(before.get(key) ?? { key, element: this.block(rows) });
    }
    this.element.replaceChildren(...this.parts.map(one => one.element));
    if (had && !Number.isNaN(focused)) this.focus(focused);
  }

  justified() {
    const target = this.tall ?? (this.width < 520 ? 118 : this.width < 900 ? 160 : 184);
    const rows = [];
    let row = [], ratios = 0;
    this.entries.forEach((entry, place) => {
      const ratio = Math.min(3, Math.max(0.5, entry.width && entry.height ? entry.width / entry.height : 1));
      row.push({ entry, place, ratio });
      ratios += ratio;
      const height = (this.width - GAP * (row.length - 1)) / ratios;
      if (height <= target * 1.12) { rows.push({ row, height }); row = []; ratios = 0; }
    });
    if (row.length) rows.push({ row, height: Math.min(target, (this.width - GAP * (row.length - 1)) / ratios) });
    return rows;
  }

  block(rows) {
    const extra = this.lines ? 26 : 0;
    const height = rows.reduce((sum, one) => sum + one.height + extra + GAP, 0);
    const made = put(make("div", { class: "block" }), { tall: `${height}px` });
    const fill = on => {
      if (on === made.hasChildNodes() || (!on && made.contains(document.activeElement))) return;
      made.replaceChildren(...(on ? rows.flatMap(({ row, height: tall }) => row.map(one => this.cell(one, tall))) : []));
    };
    blocks.set(made, fill);
    near.observe(made);
    return made;
  }

  cell({ entry, place, ratio }, height) {
    const said = entry.score === undefined ? "" : `, score ${score(entry.score)}`;
    const image = picture(thumbnail(entry.id, height * ratio > 340 ? 640 : 320), entry.name + said);
    const link = make("a", { class: "shot", href: this.link(entry), "data-place": place, title: entry.name }, image);
    if (entry.score !== undefined) link.append(make("span", { class: "score", "aria-hidden": "true" }, score(entry.score)));
    const made = make("div", { class: "cell", role: "listitem" }, link, make("span", { class: "quick" }, ...this.act(entry)));
    if (this.lines) made.append(make("span", { class: "line", title: entry.line ?? entry.name }, entry.line ?? entry.name));
    return put(made, { w: `${Math.floor(height * ratio * 100) / 100}px`, h: `${height}px` });
  }

  focus(place) {
    const at = this.rows.findIndex(({ row }) => row.some(one => one.place === place));
    if (at < 0) return;
    const block = this.element.children[Math.floor(at / ROWS)];
    blocks.get(block)(true);
    block.querySelector(`[data-place="${place}"]`)?.focus();
  }

  step(event) {
    const place = Number(event.target.dataset?.place ?? NaN);
    if (Number.isNaN(place) || event.altKey || event.ctrlKey || event.metaKey) return;
    const to = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: this.entries.length - 1 }[event.key] ?? this.beside(place, event.key);
    if (to === undefined || to < 0 || to >= this.entries.length) return;
    event.preventDefault();
    this.focus(to);
  }

  // The picture above or below: the one whose middle is nearest.
  beside(place, key) {
    const move = { ArrowUp: -1, ArrowDown: 1 }[key];
    const at = this.rows.findIndex(({ row }) => row.some(one => one.place === place));
    const other = move && this.rows[at + move];
    if (!other) return undefined;
    const middles = ({ row, height }) => {
      let left = 0;
      return row.map(one => { const wide = height * one.ratio, middle = left + wide / 2; left += wide + GAP; return [middle, one.place]; });
    };
    const [mine] = middles(this.rows[at]).find(([, one]) => one === place);
    return middles(other).reduce((best, one) => (Math.abs(one[0] - mine) < Math.abs(best[0] - mine) ? one : best))[1];
  }
}

export const entry = (item, more = {}) => ({ id: item.id, width: item.width, height: item.height, name: called(item), ...more });

// More is fetched when the end comes near; `next` gives entries and whether there are more.
export function endless(grid, next) {
  const end = make("p", { class: "end" });
  let waiting = false;
  const watcher = new IntersectionObserver(async ([seen]) => {
    if (!seen.isIntersecting || waiting) return;
    waiting = true;
    try {
      const { entries, more } = await next();
      grid.add(entries);
      if (!more) { watcher.disconnect(); end.remove(); }
      else { watcher.unobserve(end); requestAnimationFrame(() => watcher.observe(end)); }
    } catch (error) {
      watcher.disconnect();
      end.textContent = error.detail ?? error.message;
    }
    waiting = false;
  }, { rootMargin: "900px" });
  watcher.observe(end);
  return end;
}
