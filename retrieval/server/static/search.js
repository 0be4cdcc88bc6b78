// Results: a question's hits, or all pictures; grouped, filtered, refined.

import { ask, info, item, several } from "./api.js";
import { applied, panel, parse } from "./filter.js";
import { busy, button, called, counted, drawn, make, named, nothing, picture, say, thumbnail, trouble } from "./dom.js";
import { endless, entry, Grid } from "./grid.js";
import { address, asked, body, empty, less, more, plus } from "./question.js";

const FIRST = 60;
const MOST = 1000;
let opened = false; // the panel with the filter

// The two buttons of a picture that refine what is asked.
export const refining = question => shown => [
  make("a", { class: "round", href: address(more(question, shown.id)), "aria-label": `More like ${shown.name}`, title: "More like this" }, drawn("plus")),
  make("a", { class: "round", href: address(less(question, shown.id)), "aria-label": `Less like ${shown.name}`, title: "Less like this" }, drawn("minus")),
];

export const gallery = (question, label, more = {}) =>
  new Grid(label, { link: shown => address({ ...question, group: false }, `/items/${shown.id}`), act: refining(question), ...more });

// ---- the mix, as chips

const signed = weight => `${weight < 0 ? "−" : "+"}${Math.abs(weight)}`;

async function chip(part, question, path) {
  const go = weight => { location.hash = address(weight ? plus(question, { ...part, weight }) : { ...question, parts: question.parts.filter(one => one !== part) }, path); };
  const name = part.kind === "item" ? await item(part.value).then(called, () => `item ${part.value}`) : part.kind === "text" ? `“${part.value}”` : "your picture";
  const source = part.kind === "item" ? thumbnail(part.value, 160) : part.kind === "upload" ? `/v1/uploads/${part.value}/thumbnail` : null;
  const step = by => (part.weight + by || part.weight + 2 * by);
  return make("li", { class: `part ${part.weight < 0 ? "minus" : ""}` },
    source && picture(source, ""), make("span", { class: "clip", title: name }, name),
    button(drawn("minus"), () => go(step(-0.5)), { class: "tiny", "aria-label": `Weigh ${name} less`, disabled: part.weight <= -2 }),
    make("output", { "aria-label": `Weight of ${name}` }, signed(part.weight)),
    button(drawn("plus"), () => go(step(0.5)), { class: "tiny", "aria-label": `Weigh ${name} more`, disabled: part.weight >= 2 }),
    button(drawn("close"), () => go(0), { class: "tiny", "aria-label": `Remove ${name}` }));
}

export async function tray(question, path = "/search") {
  if (!asked(question)) return "";
  const parts = await Promise.all(question.parts.map(one => chip(one, question, path)));
  if (question.said) {
    parts.push(make("li", { class: "part" }, make("span", { class: "clip" }, `written: “${question.said}”`),
      button(drawn("close"), () => { location.hash = address({ ...question, said: "" }, path); }, { class: "tiny", "aria-label": `Remove the words ${question.said}` })));
  }
  return make("ul", { class: "tray", "aria-label": "What is asked" }, ...parts);
}

// ---- the view

export async function show(main, question, signal) {
  let where;
  const go = change => { location.hash = address({ ...question, ...change }); };
  const filter = panel(question.where, text => go({ where: text }));
  const place = make("section", { "aria-label": "Results" }, busy("Looking…"));
  const count = make("p", { class: "count" });
  const tools = bar(question, go, count, filter);
  const title = make("h1", { class: "aside", tabindex: "-1" }, asked(question) ? "Results" : "All pictures");
  main.replaceChildren(title, await tray(question), tools, filter, place);
  if (question.within) tools.prepend(await inside(question, go));
  try { where = parse(question.where); } catch (error) { refused(filter, error.message, place); return title; }
  try {
    await (asked(question) ? results : everything)(place, question, where, { count, filter, signal });
  } catch (error) {
    if (error.name === "AbortError") return title;
    if (error.type === "urn:nearkin:bad-filter") refused(filter, error.detail, place);
    else place.replaceChildren(trouble(error, () => show(main, question, signal)));
  }
  return title;
}

function refused(filter, sentence, place) {
  filter.hidden = false;
  filter.refuse(sentence);
  place.replaceChildren();
  say(sentence);
}

function bar(question, go, count, filter) {
  filter.hidden = !opened;
  const pressed = (on, text, press, more = {}) => button(text, press, { class: "toggle", "aria-pressed": String(on), ...more });
  const opening = button([drawn("filter"), "Filter"], () => {
    opened = filter.hidden;
    filter.hidden = !opened;
    opening.setAttribute("aria-expanded", String(!filter.hidden));
    if (!filter.hidden) filter.querySelector("input").focus();
  }, { class: "toggle", "aria-expanded": String(!filter.hidden) });
  return make("div", { class: "tools" }, count, ...applied(question.where, text => go({ where: text })), make("span", { class: "push" }), opening,
    asked(question) && pressed(question.group, "By cluster", () => go({ group: !question.group })),
    asked(question) && pressed(question.scores, "Scores", () => go({ scores: !question.scores })));
}

async function inside(question, go) {
  const name = await ask(`/clusters/${question.within}`).then(named, () => `cluster ${question.within}`);
  return make("span", { class: "chip on" }, make("span", { class: "clip" }, `in ${name}`), button(drawn("close"), () => go({ within: null }), { class: "tiny", "aria-label": `Search everywhere, not only in ${name}` }));
}

async function results(place, question, where, { count, filter, signal }) {
  const found = await ask("/search", { method: "POST", json: body(question, where, FIRST), signal });
  place.classList.toggle("scored", question.scores);
  await several(found.hits.map(one => one.item));
  const shown = await entries(found.hits);
  filter.offer(await several(found.hits.map(one => one.item)));
  if (!found.hits.length) { place.replaceChildren(await none(question)); count.textContent = "Nothing found"; say("Nothing found"); return; }
  if (question.group) grouped(place, question, found, new Map(shown.map(one => [one.id, one])), count);
  else nearest(place, question, where, shown, count);
}

function nearest(place, question, where, shown, count) {
  const grid = gallery(question, "Results, best first");
  let k = FIRST, had = shown.length;
  const tell = () => { count.textContent = had < k ? counted(had, "picture") : `The best ${had.toLocaleString("en")}`; };
  tell();
  say(`${counted(had, "result")}, best first`);
  place.replaceChildren(grid.element);
  grid.add(shown);
  if (had < k) return;
  place.append(endless(grid, async () => {
    k = Math.min(2 * k, MOST);
    const fresh = (await ask("/search", { method: "POST", json: body(question, where, k) })).hits.slice(had);
    had += fresh.length;
    tell();
    return { entries: await entries(fresh), more: k < MOST && had === k };
  }));
}

function grouped(place, question, found, known, count) {
  count.textContent = `In ${counted(found.groups.length, "cluster")}`;
  say(`Results in ${counted(found.groups.length, "cluster")}`);
  place.replaceChildren(...found.groups.map(({ cluster, hits }) => {
    const grid = gallery(question, cluster ? named(cluster) : "In no cluster", { tall: 132 });
    requestAnimationFrame(() => grid.add(hits.map(one => known.get(one.item))));
    const title = cluster ? make("a", { href: `#/clusters/${cluster.id}` }, named(cluster)) : "In no cluster";
    return make("section", { class: "group" }, make("h2", {}, title, cluster && make("small", {}, counted(cluster.size, "picture"))), grid.element);
  }));
}

export async function entries(hits) {
  const known = new Map((await several(hits.map(one => one.item))).map(one => [one.id, one]));
  return hits.filter(one => known.has(one.item)).map(one => entry(known.get(one.item), { score: one.score }));
}

async function none(question) {
  const { words } = await info();
  const said = question.said;
  const files = said && button("Look in file names", () => { location.hash = address({ ...empty, where: `uri contains ${JSON.stringify(said)}` }); }, { class: "plain" });
  const why = said ? `No text and no metadata says “${said}”.${words ? "" : " This collection's embedder reads pictures only, so words are looked for in what is written about them."}`
    : question.where ? "No picture meets the filter." : "There is no picture to find yet.";
  return nothing("Nothing found", make("p", {}, why), files);
}

async function everything(place, question, where, { count, filter, signal }) {
  if (question.within) {
    place.replaceChildren(nothing("What are you looking for?", make("p", {}, "Type words above, or drop, paste or choose a picture: the search stays inside this cluster.")));
    return;
  }
  const grid = gallery(question, "All pictures");
  const next = pages(where);
  const { entries: first, more, items } = await next(signal);
  filter.offer(items);
  const all = (await info()).items;
  count.textContent = where ? `${counted(first.length, "picture")}${more ? " or more" : ""}` : counted(all, "picture");
  say(count.textContent);
  place.replaceChildren(first.length ? grid.element : await none(question));
  grid.add(first);
  if (more) place.append(endless(grid, next));
}

// All items of a filter, page by page.
export function pages(where, size = FIRST) {
  let cursor = null;
  return async signal => {
    const params = new URLSearchParams({ limit: size });
    if (where) params.set("where", JSON.stringify(where));
    if (cursor !== null) params.set("cursor", cursor);
    const page = await ask(`/items?${params}`, { signal });
    cursor = page.cursor;
    return { entries: page.items.map(one => entry(one)), items: page.items, more: cursor !== null };
  };
}
