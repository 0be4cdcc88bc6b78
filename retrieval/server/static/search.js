// Results: the hits of a query, or all pictures; grouped, filtered, refined.

import { getInfo, getItem, getItems, getUrl, request } from "./api.js";
import { announce, formatChance, formatCount, formatNumber, getClusterName, getItemName, getPartUrl, getThumbnailUrl, make, makeButton, makeError, makeIcon, makeNote, makePicture, makeSpinner } from "./dom.js";
import { makeConditionChips, makeFilterPanel, parseFilter } from "./filter.js";
import { Grid, makeEndlessEnd, makeEntry } from "./grid.js";
import { buildSearch, emptyQuery, getAddress, isSearch, withLessLike, withMoreLike, withTerm } from "./query.js";
import { Selection, fetchIds } from "./select.js";

const PAGE = 60;
const MAX_HITS = 1000;
let isFilterOpen = false;

// The two buttons on a picture that refine the query.
const makeRefineActions = query => entry => [
  make("a", { class: "round", href: getAddress(withMoreLike(query, entry.id)), "aria-label": `More like ${entry.name}`, title: "More like this" }, makeIcon("plus")),
  make("a", { class: "round", href: getAddress(withLessLike(query, entry.id)), "aria-label": `Less like ${entry.name}`, title: "Less like this" }, makeIcon("minus")),
];

// A grid of pictures that lead to their own view, from which the query goes on.
const withPart = (address, part) => (part ? `${address}${address.includes("?") ? "&" : "?"}part=${part}` : address);

export function makeGallery(query, label, { getAllIds, ...options } = {}) {
  const look = async entry => (await import("./lightbox.js")).openLightbox(grid.entries, grid.entries.indexOf(entry), query);
  const makeActions = entry => [
    makeButton(makeIcon("loupe"), () => look(entry), { class: "round", "aria-label": `Look at ${entry.name}`, title: "Look at it (space)" }), ...makeRefineActions(query)(entry),
  ];
  const grid = new Grid(label, { getLink: entry => withPart(getAddress({ ...query, group: false }, `/items/${entry.id}`), entry.part), makeActions, ...options });
  grid.onLook = place => look(grid.entries[place]);
  new Selection(grid, getAllIds);
  return grid;
}

// ---- the terms, as chips

const formatWeight = weight => `${weight < 0 ? "−" : "+"}${Math.abs(weight)}`;

async function makeTermChip(term, query, path) {
  const without = { ...query, terms: query.terms.filter(other => other !== term) };
  const setWeight = weight => { location.hash = getAddress(weight ? withTerm(query, { ...term, weight }) : without, path); };
  const name = term.kind === "item" ? await getItem(term.value).then(getItemName, () => `item ${term.value}`) : term.kind === "text" ? `“${term.value}”` : "your picture";
  const source = term.kind === "item" ? getThumbnailUrl(term.value, 160) : term.kind === "upload" ? getUrl(`/v1/uploads/${term.value}/thumbnail`) : null;
  const addWeight = step => (term.weight + step || term.weight + 2 * step); // a weight of 0 is passed over
  return make("li", { class: `term ${term.weight < 0 ? "minus" : ""}` },
    source && makePicture(source, ""), make("span", { class: "clip", title: name }, name),
    makeButton(makeIcon("minus"), () => setWeight(addWeight(-0.5)), { class: "tiny", "aria-label": `Weigh ${name} less`, disabled: term.weight <= -2 }),
    make("output", { "aria-label": `Weight of ${name}` }, formatWeight(term.weight)),
    makeButton(makeIcon("plus"), () => setWeight(addWeight(0.5)), { class: "tiny", "aria-label": `Weigh ${name} more`, disabled: term.weight >= 2 }),
    makeButton(makeIcon("close"), () => setWeight(0), { class: "tiny", "aria-label": `Remove ${name}` }));
}

export async function makeTermList(query, path = "/search") {
  if (!isSearch(query)) return "";
  const chips = await Promise.all(query.terms.map(term => makeTermChip(term, query, path)));
  if (query.words) {
    chips.push(make("li", { class: "term" }, make("span", { class: "clip" }, `in texts: “${query.words}”`),
      makeButton(makeIcon("close"), () => { location.hash = getAddress({ ...query, words: "" }, path); }, { class: "tiny", "aria-label": `Remove the words ${query.words}` })));
  }
  return make("ul", { class: "tray", "aria-label": "Search terms" }, ...chips);
}

// ---- the view

export async function show(stage, query, signal) {
  let where;
  const go = change => { location.hash = getAddress({ ...query, ...change }); };
  const filter = makeFilterPanel(query.where, text => go({ where: text }));
  const place = make("section", { "aria-label": "Results" }, makeSpinner("Searching…"));
  const count = make("p", { class: "count" });
  const toolbar = makeToolbar(query, go, count, filter);
  const title = make("h1", { class: "aside", tabindex: "-1" }, isSearch(query) ? "Results" : "All pictures");
  stage.replaceChildren(title, await makeTermList(query), toolbar, filter, place);
  if (query.within) toolbar.prepend(await makeWithinChip(query, go));
  try { where = parseFilter(query.where); } catch (error) { refuseFilter(filter, error.message, place); return title; }
  try {
    await (isSearch(query) ? showResults : showAll)(place, query, where, { count, filter, signal, toolbar });
  } catch (error) {
    if (error.name === "AbortError") return title;
    if (error.type === "urn:nearkin:bad-filter") refuseFilter(filter, error.detail, place);
    else place.replaceChildren(makeError(error, () => show(stage, query, signal)));
  }
  return title;
}

function refuseFilter(filter, sentence, place) {
  filter.hidden = false;
  filter.refuse(sentence);
  place.replaceChildren();
  announce(sentence);
}

function makeToolbar(query, go, count, filter) {
  filter.hidden = !isFilterOpen;
  const makeToggle = (isOn, text, onPress) => makeButton(text, onPress, { class: "toggle", "aria-pressed": String(isOn) });
  const opener = makeButton([makeIcon("filter"), "Filter"], () => {
    isFilterOpen = filter.hidden;
    filter.hidden = !isFilterOpen;
    opener.setAttribute("aria-expanded", String(!filter.hidden));
    if (!filter.hidden) filter.querySelector("input").focus();
  }, { class: "toggle", "aria-expanded": String(!filter.hidden) });
  return make("div", { class: "tools" }, count, ...makeConditionChips(query.where, text => go({ where: text })), make("span", { class: "push" }), opener,
    isSearch(query) && makeToggle(query.group, "By cluster", () => go({ group: !query.group })),
    query.terms.length > 0 && makeSureToggle(query, go),
    isSearch(query) && makeToggle(query.scores, "Scores", () => go({ scores: !query.scores })));
}

// The button that leaves only hits that are likely no chance; shown where hits say how sure they are.
const makeSureToggle = (query, go) => makeButton("Only likely ones", () => go({ sure: !query.sure }), { class: "toggle sure", "aria-pressed": String(query.sure), hidden: !query.sure });

async function makeWithinChip(query, go) {
  const name = await request(`/clusters/${query.within}`).then(getClusterName, () => `cluster ${query.within}`);
  return make("span", { class: "chip on" }, make("span", { class: "clip" }, `in ${name}`), makeButton(makeIcon("close"), () => go({ within: null }), { class: "tiny", "aria-label": `Search everywhere, not only in ${name}` }));
}

// Words alone find the page of a document that says most of them, too.
const withPages = (body, hasPages) => (hasPages && body.query && !["item", "text", "upload", "mix", "group"].some(name => body[name]) ? { ...body, by: "pages" } : body);

async function showResults(place, query, where, { count, filter, signal, toolbar }) {
  const hasPages = ((await getInfo()).parts ?? []).some(({ kind }) => kind === "pages");
  const build = (asked, k) => withPages(buildSearch(asked, where, k), hasPages);
  const ask = asked => request("/search", { method: "POST", json: build(asked, PAGE), signal });
  let unread = "";
  const answer = await ask(query).catch(error => {
    if (error.type !== "urn:nearkin:unknown-words" || !query.words) throw error;
    unread = query.words;
    query = { ...query, terms: query.terms.filter(({ kind }) => kind !== "text") };
    return ask(query);
  });
  place.classList.toggle("scored", query.scores);
  const sure = toolbar.querySelector(".sure");
  if (sure && answer.hits.some(hit => hit.certainty)) sure.hidden = false;
  filter.suggest(await getItems(answer.hits.map(hit => hit.item)));
  const entries = await getEntries(answer.hits);
  const ignored = answer.unknown_words.map(word => `“${word}”`).join(", ");
  const sentence = unread ? `The model does not know “${unread}”, so only texts, metadata and names were searched.`
    : ignored && `The model does not know ${ignored}: for what pictures show, the other words count.`;
  const note = sentence && make("p", { class: "quiet" }, sentence);
  if (!answer.hits.length) { place.replaceChildren(...(note ? [note] : []), await makeNoResults(query)); count.textContent = "Nothing found"; announce("Nothing found"); return; }
  if (query.group) showGroups(place, query, answer.groups, new Map(entries.map(entry => [entry.id, entry])), count);
  else showHits(place, query, build, entries, count);
  if (note) place.prepend(note);
}

function showHits(place, query, build, entries, count) {
  const grid = makeGallery(query, "Results, best first");
  let k = PAGE, loaded = entries.length;
  const updateCount = () => { count.textContent = loaded < k ? formatCount(loaded, "picture") : `The best ${formatNumber(loaded)}`; };
  updateCount();
  announce(`${formatCount(loaded, "result")}, best first`);
  place.replaceChildren(grid.element);
  grid.add(entries);
  if (loaded < k) return;
  place.append(makeEndlessEnd(grid, async () => {
    k = Math.min(2 * k, MAX_HITS);
    const newHits = (await request("/search", { method: "POST", json: build(query, k) })).hits.slice(loaded);
    loaded += newHits.length;
    updateCount();
    return { entries: await getEntries(newHits), more: k < MAX_HITS && loaded === k };
  }));
}

function showGroups(place, query, groups, entriesById, count) {
  count.textContent = `In ${formatCount(groups.length, "cluster")}`;
  announce(`Results in ${formatCount(groups.length, "cluster")}`);
  place.replaceChildren(...groups.map(({ cluster, hits }) => {
    const name = cluster ? getClusterName(cluster) : "In no cluster";
    const grid = makeGallery(query, name, { rowHeight: 132 });
    requestAnimationFrame(() => grid.add(hits.map(hit => entriesById.get(hit.item))));
    const title = cluster ? make("a", { href: `#/clusters/${cluster.id}` }, name) : name;
    return make("section", { class: "group" }, make("h2", {}, title, cluster && make("small", {}, formatCount(cluster.size, "picture"))), grid.element);
  }));
}

export async function getEntries(hits) {
  const items = new Map((await getItems(hits.map(hit => hit.item))).map(item => [item.id, item]));
  return hits.filter(hit => items.has(hit.item)).map(hit => makeEntry(items.get(hit.item), { score: hit.score, sure: formatChance(hit), ...describePart(hit.part) }));
}

// The part by which a hit was found; a page or a frame is shown in place of its file's cover.
function describePart(part) {
  if (!part) return {};
  return { part: part.id, ...(part.box === null && (part.page ?? part.start) !== null && { getUrl: edge => getPartUrl(part.id, edge) }) };
}

async function makeNoResults({ words, where, sure }) {
  const info = await getInfo();
  const fileSearch = words && makeButton("Search file names", () => { location.hash = getAddress({ ...emptyQuery, where: `uri contains ${JSON.stringify(words)}` }); }, { class: "plain" });
  const reason = words ? `No text, metadata or file name contains “${words}”, and no picture whose text was read.${info.words ? "" : " This collection's embedder does not read words, so only texts, metadata and file names are searched."}`
    : sure ? "No picture is near enough that it is likely no chance. Without “Only likely ones”, the nearest are shown."
    : where ? "No picture meets the filter." : "There are no pictures yet.";
  return makeNote("Nothing found", make("p", {}, reason), fileSearch);
}

async function showAll(place, query, where, { count, filter, signal }) {
  if (query.within) {
    place.replaceChildren(makeNote("What are you looking for?", make("p", {}, "Type words above, or drop, paste or choose a picture to search inside this cluster.")));
    return;
  }
  const shown = await leaveOutHidden(where);
  const grid = makeGallery(query, "All pictures", { getAllIds: most => fetchIds(shown, most) });
  const getNext = makePager(shown);
  const { entries, more, items } = await getNext(signal);
  filter.suggest(items);
  const total = (await getInfo()).items;
  count.textContent = where ? `${formatCount(entries.length, "picture")}${more ? " or more" : ""}` : formatCount(total, "picture");
  announce(count.textContent);
  place.replaceChildren(entries.length ? grid.element : await makeNoResults(query));
  grid.add(entries);
  if (more) place.append(makeEndlessEnd(grid, getNext));
}

// The filter without what was hidden, unless it says something of that itself.
export async function leaveOutHidden(where) {
  if (JSON.stringify(where ?? {}).includes('"hidden"')) return where;
  const { count } = await request(`/count?where=${encodeURIComponent('{"hidden":true}')}`).catch(() => ({ count: 0 }));
  if (!count) return where;
  const isShown = { hidden: { $ne: true } };
  return where ? { $and: [where, isShown] } : isShown;
}

// Returns a function that fetches the next page of all items that meet a filter.
export function makePager(where, size = PAGE) {
  let cursor = null;
  return async signal => {
    const params = new URLSearchParams({ limit: size });
    if (where) params.set("where", JSON.stringify(where));
    if (cursor !== null) params.set("cursor", cursor);
    const page = await request(`/items?${params}`, { signal });
    cursor = page.cursor;
    return { entries: page.items.map(item => makeEntry(item)), items: page.items, more: cursor !== null };
  };
}
