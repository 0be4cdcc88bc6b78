// The map: every picture at a place near to what it is like. Dots from afar, pictures from near.

import { followJob, getInfo, getItem, getItems, request, requestBytes } from "./api.js";
import { announce, formatCount, formatNumber, getClusterName, getItemName, getThumbnailUrl, make, makeButton, makeError, makeIcon, makeNote, makeSpinner, showToast } from "./dom.js";
import { parseFilter } from "./filter.js";
import { makeEntry } from "./grid.js";
import { emptyQuery } from "./query.js";
import { makeGallery } from "./search.js";

const LEVELS = ["coarse", "medium", "fine"];
const MAX_SCALE = 400, STEP = 1.35, PAN = 70;
const CELL = 74; // pixels of the screen that one picture takes
const MAX_PICTURES = 160;
const VALUES = 8; // of a key that colours tell apart
const LIGHT = 500; // hits of a search that are lit
const SHOWN = 120; // pictures of a lasso that are listed
const MORPH = 900; // milliseconds

let known = null; // the points that were drawn last, from which a new layout moves on

export async function show(stage, params) {
  const title = make("h1", { tabindex: "-1" }, "Map");
  const place = make("section", { "aria-label": "Map" }, makeSpinner("Loading the map…"));
  stage.replaceChildren(make("div", { class: "head" }, title), place);
  try {
    let facts = await request("/map");
    if (!facts.built && (await getInfo()).items) facts = await layOut(place);
    if (!facts) return title;
    if (!facts.count) { place.replaceChildren(makeNote("Nothing on the map", make("p", {}, "There are no pictures yet."))); return title; }
    const map = new MapView(facts, readPoints(await requestBytes("/map/points")), params);
    place.replaceChildren(map.element);
    stage.querySelector(".head").append(make("p", { class: "count" }, `${formatCount(facts.count, "picture")}, each near to what it is like`));
    map.onRenew = async () => { if (await layOut(place, true).catch(error => { showToast(error.detail ?? error.message); })) show(stage, params); };
    map.begin();
  } catch (error) {
    place.replaceChildren(makeError(error, () => show(stage, params)));
  }
  return title;
}

// Lets the server lay the map out, and says how far it is. Resolves to what is known of it then.
async function layOut(place, rebuild = false) {
  if (!(await getInfo()).server.writable) { place.replaceChildren(makeNote("No map yet", make("p", {}, "It was not laid out; whoever may write can do that."))); return null; }
  const bar = make("progress", { "aria-label": "Laying out the map" });
  const words = make("p", { role: "status" }, "Laying out the map; that is done once.");
  place.replaceChildren(make("div", { class: "note" }, words, bar));
  const { id } = await request("/map", { method: "POST", json: { rebuild } });
  const job = await followJob(id, ({ done, total, what }) => { if (total) { bar.max = total; bar.value = done; } if (what) words.textContent = `Laying out the map: ${what}`; });
  if (job.state === "done") return request("/map");
  place.replaceChildren(makeNote("The map could not be laid out", make("p", {}, job.error ?? `It was ${job.state}.`)));
  return null;
}

function readPoints(buffer) {
  const count = buffer.byteLength / 24;
  const part = (Kind, place) => new Kind(buffer, place * 4 * count, count);
  return { ids: part(Int32Array, 0), x: part(Float32Array, 1), y: part(Float32Array, 2), clusters: LEVELS.map((_, level) => part(Int32Array, 3 + level)) };
}

class MapView {
  constructor(facts, points, params) {
    Object.assign(this, { facts, points, view: { x: 0, y: 0, scale: 1 }, level: 1, lit: null, pointers: new Map(), pictures: new Map(), lasso: null, isLasso: false, legend: [] });
    this.count = points.ids.length;
    this.canvas = make("canvas", { tabindex: "0", role: "img", "aria-label": "Map of the pictures. Arrow keys move, plus and minus zoom, Enter opens the picture in the middle.", class: "map" });
    this.context = this.canvas.getContext("2d");
    this.tip = make("p", { class: "tip", hidden: true });
    this.key = make("ul", { class: "legend", "aria-label": "Colours" });
    this.below = make("div", {});
    this.element = make("div", {}, this.makeTools(params), make("div", { class: "map-frame" }, this.canvas, this.tip, this.makeZoom()), this.key, this.below, this.makeList());
    this.listen();
  }

  // ---- around the map

  makeTools(params) {
    const colour = make("select", { "aria-label": "Colour by", onchange: () => this.colourBy(colour.value) }, ...LEVELS.map((level, place) => make("option", { value: `:${place}`, selected: place === 1 }, `Clusters, ${level}`)));
    this.suggestKeys(colour);
    const light = make("input", { type: "search", placeholder: "Light up: words, or a filter such as width > 500", "aria-label": "Light up what matches words or a filter", value: params.get("light") ?? "" });
    const form = make("form", { class: "light", onsubmit: event => { event.preventDefault(); this.lightUp(light.value.trim()); } }, light, make("button", { class: "plain" }, "Light up"));
    this.lassoButton = makeButton("Lasso", () => this.setLasso(!this.isLasso), { class: "toggle", "aria-pressed": "false", title: "Draw around pictures to pick them (or hold Shift and draw)" });
    this.renew = makeButton("Lay out anew", () => this.onRenew(), { class: "toggle", hidden: true, title: "Find all places anew; it is turned to lie as before" });
    getInfo().then(({ server }) => { this.renew.hidden = !server.writable; });
    return make("div", { class: "tools" }, form, make("span", { class: "push" }), make("label", { class: "kinds" }, "Colour ", colour), this.lassoButton, this.renew);
  }

  makeZoom() {
    const button = (icon, label, act) => makeButton(makeIcon(icon), act, { class: "round", "aria-label": label, title: label });
    return make("div", { class: "zoom" }, button("plus", "Zoom in", () => this.zoom(STEP)), button("minus", "Zoom out", () => this.zoom(1 / STEP)), button("both", "Show all", () => this.look(0, 0, 1)));
  }

  // The territories as a list, for those who see no map.
  makeList() {
    const territories = this.facts.territories.filter(({ level }) => level === "medium").slice(0, 60);
    const go = territory => { this.look(territory.x, territory.y, 5); this.canvas.focus(); };
    return make("details", { class: "territories" }, make("summary", {}, "Territories"), make("ul", { class: "chips" },
      ...territories.map(territory => make("li", {}, makeButton([make("span", { class: "clip", dir: "auto" }, getName(territory)), make("small", {}, formatNumber(territory.size))], () => go(territory), { class: "chip" })))));
  }

  async suggestKeys(select) {
    const { items } = await request("/items?limit=200").catch(() => ({ items: [] }));
    const keys = new Map();
    for (const { metadata } of items) for (const [key, value] of Object.entries(metadata)) if (["string", "number", "boolean"].includes(typeof value)) (keys.get(key) ?? keys.set(key, new Set()).get(key)).add(value);
    select.append(...[...keys].filter(([, values]) => values.size > 1 && values.size < 60).slice(0, 12).map(([key]) => make("option", { value: key }, key)));
    this.samples = items;
  }

  // ---- colours and light

  readTheme() {
    const probe = make("canvas", { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
    const find = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    const read = name => { probe.fillStyle = find(name); probe.fillRect(0, 0, 1, 1); return [...probe.getImageData(0, 0, 1, 1).data.slice(0, 3)]; };
    this.ground = read("card");
    this.ink = find("ink");
    this.paper = find("card");
    this.isDark = this.ground[0] < 128;
  }

  paintColours(groups) {
    this.readTheme();
    const loose = pack(this.isDark ? [112, 116, 124] : [166, 168, 174]);
    const palette = new Map();
    const find = group => { if (!palette.has(group)) palette.set(group, group ? pack(getColour(group, this.isDark)) : loose); return palette.get(group); };
    this.colours = Uint32Array.from(groups, find);
    this.dim = pack(this.ground.map(part => Math.round(part + ((this.isDark ? 255 : 0) - part) * 0.13)));
  }

  async colourBy(choice) {
    this.key.replaceChildren();
    if (choice.startsWith(":")) {
      this.level = Number(choice.slice(1));
      this.paintColours(this.points.clusters[this.level]);
      return this.plan();
    }
    const counts = new Map();
    for (const { metadata } of this.samples) if (choice in metadata) counts.set(metadata[choice], (counts.get(metadata[choice]) ?? 0) + 1);
    const values = [...counts].sort((a, b) => b[1] - a[1]).slice(0, VALUES).map(([value]) => value);
    const groups = new Int32Array(this.count);
    try {
      await Promise.all(values.map(async (value, place) => { for (const row of await this.findRows({ [choice]: value })) groups[row] = place + 1; }));
    } catch (error) { showToast(error.detail ?? error.message); return; }
    this.paintColours(groups);
    this.key.replaceChildren(...values.map((value, place) => {
      const swatch = make("span", { class: "swatch" });
      swatch.style.background = `rgb(${getColour(place + 1, this.isDark).join()})`;
      return make("li", {}, swatch, make("span", { class: "clip", dir: "auto" }, String(value)));
    }), make("li", { class: "quiet" }, "grey: other values or none"));
    this.plan();
  }

  async findRows(where) {
    const { ids } = readPoints(await requestBytes(`/map/points?where=${encodeURIComponent(JSON.stringify(where))}`));
    return this.toRows(ids);
  }

  toRows(ids) {
    this.rowById ??= new Map(Array.from(this.points.ids, (id, row) => [id, row]));
    return Array.from(ids, id => this.rowById.get(id)).filter(row => row !== undefined);
  }

  async lightUp(text) {
    const turn = this.turn = (this.turn ?? 0) + 1; // an answer that comes after the next question counts no more
    if (!text) { this.lit = null; this.plan(); return; }
    try {
      const rows = /[<>={]|\scontains\s/.test(text) ? await this.findRows(parseFilter(text)) : this.toRows((await request("/search", { method: "POST", json: await this.buildWords(text) })).hits.map(hit => hit.item));
      if (this.turn !== turn) return;
      this.lit = new Uint8Array(this.count);
      for (const row of rows) this.lit[row] = 1;
      announce(`${formatCount(rows.length, "picture")} lit`);
      showToast(`${formatCount(rows.length, "picture")} lit`, ["Pick them", () => this.pick(rows)]);
      this.plan();
    } catch (error) { showToast(error.detail ?? error.message); }
  }

  async buildWords(text) {
    return (await getInfo()).words ? { text, k: LIGHT, at_least: "possible" } : { query: text, k: LIGHT };
  }

  // ---- drawing

  begin() {
    this.paintColours(this.points.clusters[this.level]);
    new ResizeObserver(() => this.plan()).observe(this.canvas);
    new MutationObserver(() => { this.paintColours(this.points.clusters[this.level]); this.plan(); }).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    this.morph();
    this.plan();
  }

  // From where the pictures were to where they are, if the map was laid out anew since it was drawn last.
  morph() {
    const { ids, x, y } = this.points, before = known;
    known = { ids, x, y, built: this.facts.built };
    if (!before || before.built === this.facts.built || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const rows = new Map(Array.from(before.ids, (id, row) => [id, row]));
    const target = { x: x.slice(), y: y.slice() }, start = performance.now();
    const move = now => {
      const share = Math.min(1, (now - start) / MORPH), eased = share * share * (3 - 2 * share);
      ids.forEach((id, row) => {
        const old = rows.get(id);
        if (old === undefined) return;
        x[row] = before.x[old] + (target.x[row] - before.x[old]) * eased;
        y[row] = before.y[old] + (target.y[row] - before.y[old]) * eased;
      });
      this.plan();
      if (share < 1) requestAnimationFrame(move);
    };
    requestAnimationFrame(move);
  }

  plan() {
    if (this.planned) return;
    this.planned = true;
    requestAnimationFrame(() => { this.planned = false; this.draw(); });
  }

  draw() {
    const ratio = Math.min(devicePixelRatio, 2), box = this.canvas.getBoundingClientRect();
    const wide = Math.round(box.width * ratio), tall = Math.round(box.height * ratio);
    if (!wide || !tall) return;
    if (this.canvas.width !== wide || this.canvas.height !== tall) Object.assign(this.canvas, { width: wide, height: tall });
    if (this.image?.width !== wide || this.image?.height !== tall) this.image = this.context.createImageData(wide, tall);
    this.ratio = ratio;
    this.unit = Math.min(wide, tall) * 0.46 * this.view.scale;
    const visible = this.drawDots(wide, tall);
    this.context.putImageData(this.image, 0, 0);
    if (visible.length) this.drawPictures(visible, ratio);
    this.drawNames(wide, tall, ratio);
    this.drawLasso(ratio);
    if (document.activeElement === this.canvas && this.canvas.matches(":focus-visible")) this.drawCross(wide, tall, ratio);
  }

  // Draws the dots into the buffer; returns the rows in view, as far as they may be pictures.
  drawDots(wide, tall) {
    const { x, y } = this.points, { unit, lit, colours, dim } = this, buffer = new Uint32Array(this.image.data.buffer);
    buffer.fill(pack(this.ground));
    const size = Math.max(2, Math.min(8, Math.round(this.ratio * (this.count > 200_000 ? 1 : this.count > 20_000 ? 2 : 4) * Math.sqrt(Math.sqrt(this.view.scale)))));
    const left = wide / 2 - this.view.x * unit - size / 2, top = tall / 2 + this.view.y * unit - size / 2, right = wide - size, low = tall - size;
    const visible = [], wanted = this.view.scale > 1.5 || this.count < 3000 ? 4000 : 0;
    for (const isLit of lit ? [0, 1] : [1]) {
      for (let row = 0; row < x.length; row++) {
        if (lit && lit[row] !== isLit) continue;
        const column = (left + x[row] * unit) | 0, line = (top - y[row] * unit) | 0;
        if (column < 0 || line < 0 || column >= right || line >= low) continue;
        const colour = isLit ? colours[row] : dim;
        for (let down = 0, at = line * wide + column; down < size; down++, at += wide) for (let across = 0; across < size; across++) buffer[at + across] = colour;
        if (isLit && visible.length < wanted) visible.push(row);
      }
    }
    return visible.length < wanted ? visible : [];
  }

  toScreen(row) {
    return [this.canvas.width / 2 + (this.points.x[row] - this.view.x) * this.unit, this.canvas.height / 2 - (this.points.y[row] - this.view.y) * this.unit];
  }

  // One picture in each part of the screen that has any; the others stay dots.
  drawPictures(visible, ratio) {
    const cell = CELL * ratio, taken = new Set(), edge = Math.min(1.9, 0.62 + this.view.scale / 20) * cell * 0.85;
    let drawn = 0;
    for (const row of visible) {
      const [left, top] = this.toScreen(row), key = `${Math.floor(left / cell)} ${Math.floor(top / cell)}`;
      if (taken.has(key) || drawn >= MAX_PICTURES) continue;
      taken.add(key);
      drawn += 1;
      const image = this.loadPicture(row);
      if (!image.naturalWidth) continue;
      const share = edge / Math.max(image.naturalWidth, image.naturalHeight), w = image.naturalWidth * share, h = image.naturalHeight * share;
      this.context.fillStyle = `#${toHex(this.colours[row])}`;
      this.context.fillRect(left - w / 2 - ratio, top - h / 2 - ratio, w + 2 * ratio, h + 2 * ratio);
      this.context.drawImage(image, left - w / 2, top - h / 2, w, h);
    }
  }

  loadPicture(row) {
    let image = this.pictures.get(row);
    if (!image) {
      image = new Image();
      image.onload = () => this.plan();
      image.src = getThumbnailUrl(this.points.ids[row], 160);
      this.pictures.set(row, image);
      if (this.pictures.size > 6 * MAX_PICTURES) this.pictures.delete(this.pictures.keys().next().value);
    }
    return image;
  }

  drawNames(wide, tall, ratio) {
    const level = LEVELS[this.view.scale < 1.7 ? 0 : this.view.scale < 6 ? 1 : 2], { context } = this;
    context.font = `600 ${13 * ratio}px system-ui, sans-serif`;
    Object.assign(context, { textAlign: "center", textBaseline: "middle", lineWidth: 4 * ratio, lineJoin: "round", strokeStyle: this.paper, fillStyle: this.ink });
    const taken = [];
    for (const territory of this.facts.territories) {
      if (territory.level !== level) continue;
      const left = wide / 2 + (territory.x - this.view.x) * this.unit, top = tall / 2 - (territory.y - this.view.y) * this.unit;
      if (left < 0 || top < 0 || left > wide || top > tall) continue;
      const name = getName(territory).slice(0, 34), half = context.measureText(name).width / 2 + 6 * ratio;
      if (taken.some(other => Math.abs(other.left - left) < other.half + half && Math.abs(other.top - top) < 20 * ratio)) continue;
      taken.push({ left, top, half });
      context.strokeText(name, left, top);
      context.fillText(name, left, top);
      if (taken.length > 40) return;
    }
  }

  drawLasso(ratio) {
    if (!this.lasso?.length) return;
    const { context } = this;
    context.beginPath();
    for (const [left, top] of this.lasso) context.lineTo(left * ratio, top * ratio);
    context.closePath();
    Object.assign(context, { lineWidth: 2 * ratio, strokeStyle: this.ink });
    context.stroke();
  }

  drawCross(wide, tall, ratio) {
    const { context } = this;
    Object.assign(context, { lineWidth: 2 * ratio, strokeStyle: this.ink });
    context.strokeRect(wide / 2 - 16 * ratio, tall / 2 - 16 * ratio, 32 * ratio, 32 * ratio);
  }

  // ---- moving about

  look(x, y, scale) {
    this.view = { x, y, scale };
    this.plan();
  }

  zoom(factor, left, top) {
    const box = this.canvas.getBoundingClientRect(), unit = Math.min(box.width, box.height) * 0.46;
    const across = ((left ?? box.width / 2) - box.width / 2) / unit, up = (box.height / 2 - (top ?? box.height / 2)) / unit;
    const scale = Math.min(MAX_SCALE, Math.max(0.6, this.view.scale * factor));
    this.look(this.view.x + across / this.view.scale - across / scale, this.view.y + up / this.view.scale - up / scale, scale);
  }

  move(across, down) {
    const unit = this.unit / this.ratio;
    this.look(this.view.x - across / unit, this.view.y + down / unit, this.view.scale);
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("wheel", event => { event.preventDefault(); this.zoom(Math.exp(-event.deltaY / 350), event.offsetX, event.offsetY); }, { passive: false });
    canvas.addEventListener("pointerdown", event => this.press(event));
    canvas.addEventListener("pointermove", event => this.drag(event));
    canvas.addEventListener("pointerup", event => this.release(event));
    canvas.addEventListener("pointercancel", event => { this.pointers.delete(event.pointerId); this.lasso = null; });
    canvas.addEventListener("pointerleave", () => { this.tip.hidden = true; });
    canvas.addEventListener("keydown", event => this.handleKey(event));
    for (const name of ["focus", "blur"]) canvas.addEventListener(name, () => this.plan());
  }

  handleKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = {
      ArrowLeft: () => this.move(PAN, 0), ArrowRight: () => this.move(-PAN, 0), ArrowUp: () => this.move(0, PAN), ArrowDown: () => this.move(0, -PAN),
      "+": () => this.zoom(STEP), "=": () => this.zoom(STEP), "-": () => this.zoom(1 / STEP), 0: () => this.look(0, 0, 1), Enter: () => this.openAt(canvasMiddle(this.canvas)),
      Escape: () => this.setLasso(false),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
    const row = this.findNearest(canvasMiddle(this.canvas), 200);
    if (event.key !== "Enter" && row >= 0) this.tell(row);
  }

  press(event) {
    if (event.button) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
    this.pressed = [event.offsetX, event.offsetY];
    this.moved = false;
    if ((this.isLasso || event.shiftKey) && this.pointers.size === 1) this.lasso = [this.pressed];
  }

  drag(event) {
    const last = this.pointers.get(event.pointerId);
    if (!last) return this.hover(event);
    this.pointers.set(event.pointerId, event);
    if (Math.hypot(event.offsetX - this.pressed[0], event.offsetY - this.pressed[1]) > 5) this.moved = true;
    const other = [...this.pointers.values()].find(pointer => pointer.pointerId !== event.pointerId);
    if (other) {
      const measure = pointer => Math.hypot(pointer.offsetX - other.offsetX, pointer.offsetY - other.offsetY);
      this.lasso = null;
      this.zoom(measure(event) / Math.max(1, measure(last)), (event.offsetX + other.offsetX) / 2, (event.offsetY + other.offsetY) / 2);
    } else if (this.lasso) { this.lasso.push([event.offsetX, event.offsetY]); this.plan(); }
    else if (this.moved) this.move(event.offsetX - last.offsetX, event.offsetY - last.offsetY);
  }

  release(event) {
    if (!this.pointers.delete(event.pointerId) || this.pointers.size) return;
    const { lasso } = this;
    this.lasso = null;
    if (lasso && this.moved) { this.pick(this.findInside(lasso)); this.setLasso(false); }
    else if (!this.moved) this.openAt([event.offsetX, event.offsetY]);
    this.plan();
  }

  setLasso(isOn) {
    this.isLasso = isOn;
    this.lassoButton.setAttribute("aria-pressed", String(isOn));
    this.canvas.classList.toggle("lassoing", isOn);
  }

  hover(event) {
    const row = this.findNearest([event.offsetX, event.offsetY], 14);
    clearTimeout(this.hovering);
    if (row < 0) { this.tip.hidden = true; return; }
    this.hovering = setTimeout(async () => {
      const item = await getItem(this.points.ids[row]).catch(() => null);
      if (!item) return;
      this.tip.textContent = getItemName(item);
      this.tip.hidden = false;
      const [left, top] = this.toScreen(row);
      this.tip.style.left = `${Math.min(left / this.ratio + 12, this.canvas.clientWidth - 180)}px`;
      this.tip.style.top = `${top / this.ratio + 12}px`;
    }, 120);
  }

  tell(row) {
    const cluster = this.facts.territories.find(territory => territory.cluster === this.points.clusters[1][row]);
    announce(cluster ? `in ${getName(cluster)}` : "in no cluster");
  }

  findNearest([left, top], within) {
    const { x, y } = this.points, unit = this.unit / this.ratio, box = this.canvas.getBoundingClientRect();
    const across = this.view.x + (left - box.width / 2) / unit, up = this.view.y - (top - box.height / 2) / unit;
    let best = -1, nearest = (within / unit) ** 2;
    for (let row = 0; row < x.length; row++) {
      const far = (x[row] - across) ** 2 + (y[row] - up) ** 2;
      if (far < nearest && (!this.lit || this.lit[row])) { nearest = far; best = row; }
    }
    return best;
  }

  async openAt(point) {
    const row = this.findNearest(point, 40);
    if (row < 0) return;
    const near = [...this.points.ids.keys()].map(other => [other, Math.hypot(this.points.x[other] - this.points.x[row], this.points.y[other] - this.points.y[row])]);
    const rows = this.count > 20_000 ? [[row, 0]] : near.sort((a, b) => a[1] - b[1]).slice(0, 40);
    const items = await getItems(rows.map(([other]) => this.points.ids[other]));
    const { openLightbox } = await import("./lightbox.js");
    openLightbox(items.map(item => makeEntry(item)), 0, emptyQuery);
  }

  findInside(lasso) {
    const { x, y } = this.points, unit = this.unit / this.ratio, box = this.canvas.getBoundingClientRect();
    const corners = lasso.map(([left, top]) => [this.view.x + (left - box.width / 2) / unit, this.view.y - (top - box.height / 2) / unit]);
    const rows = [];
    for (let row = 0; row < x.length; row++) {
      if (this.lit && !this.lit[row]) continue;
      let isInside = false;
      for (let at = 0, last = corners.length - 1; at < corners.length; last = at++) {
        const [ax, ay] = corners[at], [bx, by] = corners[last];
        if (ay > y[row] !== by > y[row] && x[row] < ((bx - ax) * (y[row] - ay)) / (by - ay) + ax) isInside = !isInside;
      }
      if (isInside) rows.push(row);
    }
    return rows;
  }

  // Lists pictures below the map, all of them picked.
  async pick(rows) {
    if (!rows.length) { showToast("No picture lies in there."); return; }
    const ids = rows.map(row => this.points.ids[row]);
    const items = await getItems(ids.slice(0, SHOWN));
    const grid = makeGallery(emptyQuery, "Picked on the map", { getAllIds: async () => ids });
    const heading = make("h2", { id: "picked" }, formatCount(ids.length, "picture"), make("small", {}, ids.length > SHOWN ? `the first ${SHOWN} are shown` : "picked on the map"));
    this.below.replaceChildren(make("section", { "aria-labelledby": "picked" }, heading, grid.element));
    grid.add(items.map(item => makeEntry(item)));
    grid.selection.ids = new Set(ids);
    grid.selection.update();
    heading.scrollIntoView({ block: "end", behavior: "smooth" });
  }
}

const getName = territory => getClusterName({ id: territory.cluster, name: territory.name });
const canvasMiddle = canvas => [canvas.clientWidth / 2, canvas.clientHeight / 2];

// ---- colours, as the bytes of a canvas

const pack = ([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
const toHex = colour => [colour & 255, (colour >> 8) & 255, (colour >> 16) & 255].map(part => part.toString(16).padStart(2, "0")).join("");

function getColour(group, isDark) {
  const hue = (group * 0.618034) % 1, light = (isDark ? 0.64 : 0.46) + 0.06 * ((group % 3) - 1), strength = 0.62;
  const high = light + strength * Math.min(light, 1 - light);
  const part = shift => {
    const at = (((hue + shift) % 1) + 1) % 1, low = 2 * light - high;
    const value = at < 1 / 6 ? low + (high - low) * 6 * at : at < 1 / 2 ? high : at < 2 / 3 ? low + (high - low) * 6 * (2 / 3 - at) : low;
    return Math.round(255 * value);
  };
  return [part(1 / 3), part(0), part(-1 / 3)];
}
