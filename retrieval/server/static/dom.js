// Elements, words and numbers: what every view needs.

export function make(tag, facts = {}, ...inner) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(facts)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...inner.flat().filter(one => one != null && one !== false));
  return made;
}

// Drawings are of the page itself: paths on a grid of 24.
const DRAWN = {
  plus: "M12 5v14M5 12h14", minus: "M5 12h14", close: "m6 6 12 12M18 6 6 18", pen: "m4 20 1-4L16 5l3 3L8 19z",
  left: "M19 12H5m6-6-6 6 6 6", right: "M5 12h14m-6-6 6 6-6 6", undo: "M9 14 4 9l5-5M4 9h9a6 6 0 0 1 0 12h-3",
  filter: "M4 6h16M7 12h10M10 18h4", both: "M4 12h16m-4-4 4 4-4 4M8 8l-4 4 4 4", apart: "M9 7 4 12l5 5m6-10 5 5-5 5",
};

export function drawn(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", DRAWN[name]);
  svg.append(path);
  return svg;
}

export const button = (text, press, facts = {}) => make("button", { type: "button", onclick: press, ...facts }, text);

export const counted = (number, what) => `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;

export const score = number => number.toFixed(3);

const UNITS = ["bytes", "kB", "MB", "GB"];

export function bytes(number) {
  const power = number < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(number) / 3));
  return `${(number / 1000 ** power).toLocaleString("en", { maximumFractionDigits: power ? 1 : 0 })} ${UNITS[power]}`;
}

export const day = text => new Date(text).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });

// What a picture is called: its text, else its file's name, else its key.
export function called(item) {
  if (item.text) return item.text;
  return fileName(item.uri ?? "") || (item.uris?.length ? "" : item.key) || `item ${item.id ?? item.item}`;
}

export function fileName(uri) {
  const last = uri.split(/[/\\]|::/).filter(Boolean).at(-1) ?? "";
  try { return decodeURIComponent(last); } catch { return last; }
}

export const named = cluster => cluster.name ?? `Cluster ${cluster.id}`;

export const thumbnail = (item, edge = 320) => `/v1/items/${item}/thumbnail?edge=${edge}`;

// A picture that says so where it can't be shown.
export function picture(source, alt, facts = {}) {
  const image = make("img", { src: source, alt, loading: "lazy", decoding: "async", draggable: "false", ...facts });
  const gone = () => make("span", { class: "gone", role: alt ? "img" : null, "aria-label": alt ? `${alt}: can't be shown` : null }, "can't be shown");
  image.addEventListener("error", () => image.replaceWith(gone()));
  return image;
}

// Sizes and places come from here, since the page allows no style in its markup.
export function put(element, properties) {
  for (const [name, value] of Object.entries(properties)) element.style.setProperty(`--${name}`, value);
  return element;
}

export function say(text) {
  document.getElementById("live").textContent = text;
}

let fading;

export function toast(text, ...more) {
  const box = document.getElementById("toast");
  box.replaceChildren(text, ...more);
  box.hidden = false;
  say(text);
  clearTimeout(fading);
  fading = setTimeout(() => { box.hidden = true; }, 6000);
}

const sentence = text => text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

// A failure, with the server's own sentence.
export function trouble(error, again) {
  const { title = "Something went wrong", detail = error.message, status = 0 } = error;
  const hopeful = again && (status === 0 || status >= 500);
  return make("section", { class: "trouble", role: "alert" }, make("h2", {}, title), make("p", {}, sentence(detail)),
    hopeful ? button("Try again", again, { class: "plain" }) : make("a", { class: "plain", href: "#/" }, "To the start"));
}

export const nothing = (title, ...more) => make("section", { class: "nothing" }, make("h2", {}, title), ...more);

export const busy = text => make("p", { class: "busy", role: "status" }, make("span", { class: "spin", "aria-hidden": "true" }), text);
