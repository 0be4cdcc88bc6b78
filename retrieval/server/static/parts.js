// The parts of a picture: boxes drawn over it, and a box drawn by hand, each of which searches for what is in it.

import { getInfo, request } from "./api.js";
import { announce, make, makeButton, makeError, makeSpinner } from "./dom.js";
import { Grid, getPartLink, makePartEntry } from "./grid.js";
import { getEntries, makeGallery } from "./search.js";

const HITS = 40, STILLS = 400;
const LIKE = { frames: "Moments of films", pages: "Pages" }; // what can be searched for by the whole picture
const SMALLEST = 8; // pixels of the screen: less is a click, and no box

// Draws the parts of an item over its picture, and shows before `next` what is like the one that is chosen.
// chosen: a part that is drawn at once.
export function addParts(frame, item, query, next, parts, chosen) {
  const image = frame.querySelector("img");
  addStills(item, query, next, parts);
  if (!image || !item.width || !item.height || (chosen && chosen.page !== null)) return;
  const layer = make("div", { class: "parts" });
  const results = make("section", { class: "part-hits", hidden: true, "aria-label": "Pictures with a part like it" });
  const tools = make("div", { class: "buttons part-tools" });
  frame.append(layer);
  next.before(tools, results);
  new ResizeObserver(() => fit(layer, image, frame)).observe(image);
  image.addEventListener("load", () => fit(layer, image, frame));
  const search = (box, kind, name) => showHits(results, item, box, kind, name, query);
  const boxed = parts.filter(part => part.box);
  const kinds = [...new Set(boxed.map(part => part.kind))];
  for (const kind of kinds) {
    const buttons = boxed.filter(part => part.kind === kind).map(part => makeBox(part, item, () => search(part.box, kind, kind), part.id === chosen?.id));
    layer.append(...buttons.filter(button => button.classList.contains("chosen")));
    tools.append(makeButton(`${kind} (${buttons.length})`, event => {
      const isOn = event.currentTarget.getAttribute("aria-pressed") !== "true";
      event.currentTarget.setAttribute("aria-pressed", String(isOn));
      if (isOn) layer.append(...buttons);
      else for (const button of buttons) if (!button.classList.contains("chosen")) button.remove();
    }, { class: "toggle", "aria-pressed": "false", title: `Show the ${kind} that were found in it` }));
  }
  getInfo().then(({ parts: known = [] }) => {
    const stills = known.filter(({ kind }) => kind in LIKE).map(({ kind }) => makeButton(LIKE[kind], () => showHits(results, item, null, kind, kind, query), { class: "toggle" }));
    tools.append(...stills);
  });
  tools.append(makeDrawing(layer, item, box => search(box, kinds.find(kind => kind !== "subject"), "the box")));
  fit(layer, image, frame);
}

// The pages of a document, and the moments of a film: each opens there.
function addStills(item, query, next, parts) {
  const stills = parts.filter(part => part.box === null && (part.page !== null || part.start !== null));
  if (!stills.length) return;
  const grid = new Grid(`The ${stills[0].kind} of it`, { getLink: getPartLink, lines: true, rowHeight: 96 });
  const describe = part => (part.page !== null ? `page ${part.page}` : formatMoment(part.start));
  next.before(make("section", { class: "stills" }, make("h2", {}, stills[0].kind, make("small", {}, String(stills.length))), grid.element));
  grid.add(stills.slice(0, STILLS).map(part => makePartEntry(part, item, { line: describe(part) })));
}

function formatMoment(seconds) {
  const whole = Math.floor(seconds), pad = number => String(number).padStart(2, "0");
  const rest = `${pad(Math.floor(whole / 60) % 60)}:${pad(whole % 60)}`;
  return whole < 3600 ? rest : `${Math.floor(whole / 3600)}:${rest}`;
}

// Lays the boxes exactly over the picture, however large it is shown.
function fit(layer, image, frame) {
  const [inner, outer] = [image.getBoundingClientRect(), frame.getBoundingClientRect()];
  Object.assign(layer.style, { left: `${inner.left - outer.left}px`, top: `${inner.top - outer.top}px`, width: `${inner.width}px`, height: `${inner.height}px` });
}

function place(element, [x, y, width, height], item) {
  const percent = (value, whole) => `${(100 * value) / whole}%`;
  Object.assign(element.style, { left: percent(x, item.width), top: percent(y, item.height), width: percent(width, item.width), height: percent(height, item.height) });
}

function makeBox(part, item, onPress, isChosen) {
  const button = makeButton("", onPress, { class: isChosen ? "part chosen" : "part", "aria-label": `Search for ${part.kind} like this`, title: part.text ?? `Search for ${part.kind} like this` });
  place(button, part.box, item);
  return button;
}

// The button after which a box is drawn over the picture with the mouse, a pen or a finger.
function makeDrawing(layer, item, onBox) {
  const box = make("div", { class: "part drawn", hidden: true });
  let start = null;
  const locate = event => {
    const { left, top, width, height } = layer.getBoundingClientRect();
    return [Math.min(Math.max(event.clientX - left, 0), width), Math.min(Math.max(event.clientY - top, 0), height)];
  };
  const measure = (a, b) => {
    const scale = item.width / layer.getBoundingClientRect().width;
    return [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.abs(a[0] - b[0]), Math.abs(a[1] - b[1])].map(value => Math.round(value * scale));
  };
  layer.append(box);
  layer.addEventListener("pointerdown", event => {
    if (!layer.classList.contains("drawing")) return;
    event.preventDefault();
    layer.setPointerCapture(event.pointerId);
    start = locate(event);
  });
  layer.addEventListener("pointermove", event => {
    if (!start) return;
    box.hidden = false;
    place(box, measure(start, locate(event)), item);
  });
  layer.addEventListener("pointerup", event => {
    if (!start) return;
    const end = locate(event);
    const isBox = Math.min(Math.abs(end[0] - start[0]), Math.abs(end[1] - start[1])) >= SMALLEST;
    if (isBox) onBox(measure(start, end));
    start = null;
  });
  return makeButton("Search a part", event => {
    const isOn = layer.classList.toggle("drawing");
    event.currentTarget.setAttribute("aria-pressed", String(isOn));
    if (isOn) announce("Draw a box over the picture");
  }, { class: "toggle", "aria-pressed": "false", title: "Draw a box over the picture to search for what is in it" });
}

async function showHits(section, item, box, kind, name, query) {
  section.hidden = false;
  const title = make("h2", {}, name === "the box" ? "Like what is in the box" : `Pictures with ${name} like it`);
  section.replaceChildren(title, makeSpinner("Searching…"));
  try {
    const { hits } = await request("/search", { method: "POST", json: { item: item.id, k: HITS, ...(kind ? { by: kind } : {}), ...(kind === "subject" || !box ? {} : { region: box }) } });
    const grid = makeGallery(query, title.textContent);
    section.replaceChildren(title, grid.element);
    grid.add(await getEntries(hits));
  } catch (error) {
    section.replaceChildren(title, makeError(error));
  }
}
