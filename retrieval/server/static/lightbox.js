// One picture over the whole screen: zoom, pan, the next and the one before, what is known of it and why it is a hit.

import { getInfo, getItem, getUrl } from "./api.js";
import { announce, formatNumber, getItemName, getThumbnailUrl, make, makeButton, makeIcon } from "./dom.js";
import { makeEditButton } from "./edit.js";
import { makeFacts } from "./item.js";
import { emptyQuery } from "./query.js";
import { makeWhy } from "./why.js";

const MAX_ZOOM = 12, STEP = 1.4, SWIPE = 60;
const SHOWN_BY_BROWSERS = new Set(["JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP"]);

let open = null;

// Shows the pictures of a list, beginning with the one at `place`. `query`: what was asked, for the reasons.
export function openLightbox(entries, place, query = emptyQuery) {
  open?.close();
  open = new Lightbox(entries, place, query);
}

class Lightbox {
  constructor(entries, place, query) {
    Object.assign(this, { entries, query, pointers: new Map(), opener: document.activeElement });
    this.name = make("h2", { class: "clip", dir: "auto" });
    this.count = make("span", { class: "place" });
    this.image = make("img", { alt: "", draggable: "false" });
    this.stage = make("div", { class: "canvas" }, this.image);
    this.panel = make("aside", { class: "panel", "aria-label": "About this picture", tabindex: "0", hidden: true });
    const button = (icon, label, act, more = {}) => makeButton(makeIcon(icon), act, { class: "round", "aria-label": label, title: label, ...more });
    this.info = button("info", "About this picture (i)", () => this.togglePanel(), { "aria-expanded": "false" });
    this.before = button("left", "The picture before (left arrow)", () => this.go(-1), { class: "round step before" });
    this.after = button("right", "The next picture (right arrow)", () => this.go(1), { class: "round step after" });
    this.dialog = make("dialog", { class: "lightbox", "aria-label": "Picture" },
      make("header", {}, this.name, this.count, button("minus", "Zoom out (−)", () => this.zoom(1 / STEP)), button("plus", "Zoom in (+)", () => this.zoom(STEP)), this.info, button("close", "Close (Escape)", () => this.close())),
      make("div", { class: "body" }, make("div", { class: "screen" }, this.stage, this.before, this.after), this.panel));
    this.listen();
    document.body.append(this.dialog);
    this.dialog.showModal();
    history.pushState({ ...history.state, lightbox: true }, "");
    this.show(place);
    this.stage.focus();
  }

  listen() {
    const { dialog, stage } = this;
    stage.tabIndex = -1;
    dialog.addEventListener("cancel", event => { event.preventDefault(); this.close(); });
    dialog.addEventListener("keydown", event => this.handleKey(event));
    stage.addEventListener("wheel", event => { event.preventDefault(); this.zoom(Math.exp(-event.deltaY / 300), event); }, { passive: false });
    stage.addEventListener("dblclick", event => (this.scale > 1.01 ? this.reset() : this.zoom(this.getFullScale(), event)));
    stage.addEventListener("pointerdown", event => this.press(event));
    stage.addEventListener("pointermove", event => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, event => this.release(event));
    this.leave = () => this.close(false);
    addEventListener("popstate", this.leave);
    this.image.addEventListener("error", () => { if (this.image.getAttribute("src") !== this.fallback) this.image.src = this.fallback; });
  }

  close(goBack = true) {
    if (open !== this) return;
    open = null;
    removeEventListener("popstate", this.leave);
    this.dialog.remove();
    if (goBack && history.state?.lightbox) history.back();
    this.opener?.focus?.({ preventScroll: true });
  }

  handleKey(event) {
    event.stopPropagation();
    if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = {
      ArrowLeft: () => this.go(-1), ArrowRight: () => this.go(1), Home: () => this.show(0), End: () => this.show(this.entries.length - 1),
      "+": () => this.zoom(STEP), "=": () => this.zoom(STEP), "-": () => this.zoom(1 / STEP), 0: () => this.reset(), i: () => this.togglePanel(),
    }[event.key];
    if (act && !(event.target === this.panel && event.key.startsWith("Arrow"))) { event.preventDefault(); act(); }
  }

  go(step) {
    const place = this.place + step;
    if (place >= 0 && place < this.entries.length) this.show(place);
  }

  async show(place) {
    this.place = place;
    const entry = this.entries[place];
    this.reset();
    this.name.textContent = entry.name ?? "";
    this.count.textContent = this.entries.length > 1 ? `${formatNumber(place + 1)} of ${formatNumber(this.entries.length)}` : "";
    this.before.disabled = place === 0;
    this.after.disabled = place === this.entries.length - 1;
    this.image.alt = entry.name ?? "";
    this.fallback = getThumbnailUrl(entry.id, 640);
    this.image.src = this.fallback;
    this.panel.replaceChildren();
    const item = await getItem(entry.id).catch(() => null);
    if (this.place !== place || !item) return;
    this.item = item;
    this.name.textContent = getItemName(item);
    this.image.alt = getItemName(item);
    announce(getItemName(item));
    this.sharpen(1600);
    for (const near of [place + 1, place - 1]) if (this.entries[near]) new Image().src = getThumbnailUrl(this.entries[near].id, 1600);
    if (!this.panel.hidden) this.fillPanel();
  }

  // Puts a larger picture in the place of the one that is shown, once it is there.
  sharpen(edge) {
    const { item } = this;
    if (!item || (edge === 1600 && Math.max(item.width ?? 0, item.height ?? 0) <= 640)) return;
    const source = edge ? getThumbnailUrl(item.id, edge) : getUrl(`/v1/items/${item.id}/picture`);
    const larger = new Image();
    larger.onload = () => { if (this.item === item) this.image.src = source; };
    larger.src = source;
  }

  // ---- zoom and pan

  getFullScale() {
    const shown = this.image.getBoundingClientRect().width / this.scale;
    return Math.min(MAX_ZOOM, Math.max(2, (this.item?.width ?? 0) / Math.max(shown, 1)));
  }

  reset() {
    Object.assign(this, { scale: 1, x: 0, y: 0 });
    this.draw();
  }

  zoom(factor, { clientX, clientY } = {}) {
    const box = this.stage.getBoundingClientRect();
    const left = (clientX ?? box.left + box.width / 2) - box.left - box.width / 2, top = (clientY ?? box.top + box.height / 2) - box.top - box.height / 2;
    const scale = Math.min(MAX_ZOOM, Math.max(1, this.scale * factor)), ratio = scale / this.scale;
    Object.assign(this, { scale, x: left - (left - this.x) * ratio, y: top - (top - this.y) * ratio });
    if (scale > 1 && this.item && SHOWN_BY_BROWSERS.has(this.item.format) && !this.image.src.endsWith("/picture")) this.sharpen(0);
    this.draw();
  }

  draw() {
    const box = this.stage.getBoundingClientRect();
    const wide = Math.max(0, (this.image.offsetWidth * this.scale - box.width) / 2), tall = Math.max(0, (this.image.offsetHeight * this.scale - box.height) / 2);
    this.x = Math.min(wide, Math.max(-wide, this.x));
    this.y = Math.min(tall, Math.max(-tall, this.y));
    this.image.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    this.stage.classList.toggle("zoomed", this.scale > 1);
  }

  press(event) {
    if (event.button) return;
    this.stage.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
    this.start = { x: event.clientX, y: event.clientY, single: this.pointers.size === 1 };
  }

  move(event) {
    const last = this.pointers.get(event.pointerId);
    if (!last) return;
    this.pointers.set(event.pointerId, event);
    if (this.pointers.size === 2) {
      const other = [...this.pointers.values()].find(pointer => pointer.pointerId !== event.pointerId);
      const measure = pointer => Math.hypot(pointer.clientX - other.clientX, pointer.clientY - other.clientY);
      this.start.single = false;
      this.zoom(measure(event) / Math.max(measure(last), 1), { clientX: (event.clientX + other.clientX) / 2, clientY: (event.clientY + other.clientY) / 2 });
    } else if (this.scale > 1) {
      this.x += event.clientX - last.clientX;
      this.y += event.clientY - last.clientY;
      this.draw();
    }
  }

  release(event) {
    if (!this.pointers.delete(event.pointerId) || this.pointers.size || event.type === "pointercancel") return;
    const across = event.clientX - this.start.x, down = event.clientY - this.start.y;
    if (!this.start.single || this.scale > 1 || Math.abs(across) < SWIPE && Math.abs(down) < SWIPE) return;
    if (Math.abs(across) > Math.abs(down)) this.go(across < 0 ? 1 : -1);
    else if (down > 0) this.close();
  }

  // ---- what is known of it

  togglePanel() {
    this.panel.hidden = !this.panel.hidden;
    this.info.setAttribute("aria-expanded", String(!this.panel.hidden));
    if (!this.panel.hidden) this.fillPanel();
    requestAnimationFrame(() => this.draw());
  }

  async fillPanel() {
    const { item } = this;
    if (!item) return;
    const why = await makeWhy(this.query, item.id).catch(() => null);
    const { server: { writable } } = await getInfo();
    if (this.item !== item) return;
    const form = make("div", {});
    const links = make("p", { class: "buttons" }, make("a", { class: "plain", href: `#/items/${item.id}`, onclick: () => this.close(false) }, "Similar pictures"),
      make("a", { class: "plain", href: getUrl(`/v1/items/${item.id}/picture`), target: "_blank", rel: "noopener" }, "Original file"),
      writable && makeEditButton(item, form, saved => { this.item = saved; this.fillPanel(); }));
    this.panel.replaceChildren(links, form, why && make("h3", {}, "Why it is a hit"), why, make("h3", {}, "About it"), make("dl", { class: "facts" }, ...makeFacts(item)));
    for (const child of [...this.panel.childNodes]) if (child.nodeType === Node.TEXT_NODE) child.remove();
  }
}
