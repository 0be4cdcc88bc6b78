// Elements, words and numbers: what every view needs.

import { getUrl } from "./api.js";

// Creates an element. Attributes: `true` sets one without a value, `false` and null leave it out, `onclick` and so on are listeners.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter(child => child != null && child !== false));
  return element;
}

// Icons are paths on a grid of 24.
const ICONS = {
  plus: "M12 5v14M5 12h14", minus: "M5 12h14", close: "m6 6 12 12M18 6 6 18", pen: "m4 20 1-4L16 5l3 3L8 19z",
  left: "M19 12H5m6-6-6 6 6 6", right: "M5 12h14m-6-6 6 6-6 6", undo: "M9 14 4 9l5-5M4 9h9a6 6 0 0 1 0 12h-3",
  info: "M12 11v6M12 7v.5M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z", loupe: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zm5 11.5 5 5",
  filter: "M4 6h16M7 12h10M10 18h4", both: "M4 12h16m-4-4 4 4-4 4M8 8l-4 4 4 4", apart: "M9 7 4 12l5 5m6-10 5 5-5 5",
};

export function makeIcon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

export const makeButton = (content, onPress, attributes = {}) => make("button", { type: "button", onclick: onPress, ...attributes }, content);

export const formatNumber = number => number.toLocaleString("en");

export const formatCount = (number, noun) => `${formatNumber(number)} ${noun}${number === 1 ? "" : "s"}`;

export const formatScore = score => score.toFixed(3);
// How sure a hit is: "likely, 1 in 20,000 by chance".
export const formatChance = ({ certainty, chance }) => certainty ? `${certainty}, ${chance < 1e-6 ? "< 1 in 1,000,000" : `1 in ${formatNumber(Number((1 / chance).toPrecision(2)))}`} by chance` : "";

const UNITS = ["bytes", "kB", "MB", "GB"];

export function formatBytes(number) {
  const power = number < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(number) / 3));
  return `${(number / 1000 ** power).toLocaleString("en", { maximumFractionDigits: power ? 1 : 0 })} ${UNITS[power]}`;
}

export const formatTime = time => new Date(time).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });

// An item's text, else the name of its file, else its key.
export function getItemName(item) {
  if (item.text) return item.text;
  return getFileName(item.uri ?? "") || (item.uris?.length ? "" : item.key) || `item ${item.id ?? item.item}`;
}

export function getFileName(uri) {
  const last = uri.split(/[/\\]|::/).filter(Boolean).at(-1) ?? "";
  try { return decodeURIComponent(last); } catch { return last; }
}

export const getClusterName = cluster => cluster.name ?? `Cluster ${cluster.id}`;

export const getThumbnailUrl = (itemId, edge = 320) => getUrl(`/v1/items/${itemId}/thumbnail?edge=${edge}`);
export const getPartUrl = (partId, edge = 320) => getUrl(`/v1/parts/${partId}/thumbnail?edge=${edge}`);

// The members of a cluster, which are pictures or parts: how many, and what one looks like.
export const countMembers = ({ size, of }) => (of ? `${formatNumber(size)} ${of}` : formatCount(size, "picture"));
export const getMemberUrl = ({ of }, memberId, edge) => (of ? getPartUrl(memberId, edge) : getThumbnailUrl(memberId, edge));

// A picture that is replaced by words where it is unavailable.
export function makePicture(source, alt, attributes = {}) {
  const image = make("img", { src: source, alt, loading: "lazy", decoding: "async", draggable: "false", ...attributes });
  const makeReplacement = () => make("span", { class: "unavailable", role: alt ? "img" : null, "aria-label": alt ? `${alt}: unavailable` : null }, "unavailable");
  image.addEventListener("error", () => image.replaceWith(makeReplacement()));
  return image;
}

// Sets sizes and places as CSS variables, since the page allows no style in its markup.
export function setVariables(element, variables) {
  for (const [name, value] of Object.entries(variables)) element.style.setProperty(`--${name}`, value);
  return element;
}

// Lets screen readers say a text.
export function announce(text) {
  document.getElementById("live").textContent = text;
}

let fading;

// Shows a sentence for a while; `action`: the label of a button beside it, and what it does.
export function showToast(text, action) {
  const box = document.getElementById("toast");
  const close = () => { box.hidden = true; };
  box.replaceChildren(text, action ? makeButton(action[0], () => { close(); action[1](); }) : "");
  box.hidden = false;
  announce(text);
  clearTimeout(fading);
  fading = setTimeout(close, action ? 15000 : 6000);
}

const toSentence = text => text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

// A failure, with the server's own sentence; `retry` is offered where it may help.
export function makeError(error, retry) {
  const { title = "Something went wrong", detail = error.message, status = 0 } = error;
  const mayHelp = retry && (status === 0 || status >= 500);
  return make("section", { class: "error", role: "alert" }, make("h2", {}, title), make("p", {}, toSentence(detail)),
    mayHelp ? makeButton("Try again", retry, { class: "plain" }) : make("a", { class: "plain", href: "#/" }, "To the start page"));
}

// A note where there is nothing to show.
export const makeNote = (title, ...content) => make("section", { class: "note" }, make("h2", {}, title), ...content);

export const makeSpinner = text => make("p", { class: "busy", role: "status" }, make("span", { class: "spin", "aria-hidden": "true" }), text);
