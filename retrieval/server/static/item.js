// One picture: large, with what is known of it and what looks like it.

import { getUrl, rememberItems, request } from "./api.js";
import { formatBytes, formatCount, formatNumber, formatTime, getClusterName, getFileName, getItemName, getPartUrl, getThumbnailUrl, make, makeButton, makeError, makeIcon, makePicture } from "./dom.js";
import { getSequence } from "./grid.js";
import { buildSearch, emptyQuery, getAddress, withLessLike, withMoreLike } from "./query.js";
import { addParts } from "./parts.js";
import { getEntries, makeGallery, makeTermList } from "./search.js";

const NEIGHBOURS = 40;
let seen = null, seenBefore = null; // the pictures that were looked at last

// partId: the part by which it was found, or that was chosen: its box is drawn, a film begins there, a page is shown.
export async function show(stage, id, query, partId) {
  const [[item], { parts }] = await Promise.all([request(`/items/${id}`).then(found => rememberItems([found])), // afresh, since its clusters change
    request(`/items/${id}/parts`).catch(() => ({ parts: [] }))]);
  const part = parts.find(found => found.id === partId);
  const name = getItemName(item);
  const title = make("h1", { tabindex: "-1", dir: "auto" }, name);
  const facts = make("dl", { class: "facts" }, ...makeFacts(item));
  if (seen?.id !== id) [seen, seenBefore] = [{ id, name }, seen];
  const similar = make("section", { "aria-labelledby": "similar" }, make("h2", { id: "similar" }, "Similar pictures"));
  stage.replaceChildren(await makeTermList(query),
    make("article", { class: "item" }, makeStage(item, name, query, part), make("div", { class: "about-item" }, title, make("div", { class: "buttons" }, ...makeSteps(id, query),
      make("a", { class: "plain main", href: getAddress(withMoreLike(query, id)) }, makeIcon("plus"), "More like this"),
      make("a", { class: "plain", href: getAddress(withLessLike(query, id)) }, makeIcon("minus"), "Less like this"),
      seenBefore && make("a", { class: "plain", href: `#/path?a=${seenBefore.id}&b=${id}`, title: `From ${seenBefore.name} to this picture, over neighbours` }, "Way from the last one")), facts)), similar);
  await Promise.all([addClusters(facts, item), showSimilar(similar, id, query), addParts(stage.querySelector(".stage"), item, query, similar, parts, part)]);
  return title;
}

const openHere = async (id, name, query) => {
  const sequence = getSequence(), place = sequence.findIndex(entry => entry.id === id);
  const { openLightbox } = await import("./lightbox.js");
  if (place >= 0) openLightbox(sequence, place, query);
  else openLightbox([{ id, name }], 0, query);
};

// The pictures beside it in the list that it was chosen from.
function makeSteps(id, query) {
  const sequence = getSequence(), place = sequence.findIndex(entry => entry.id === id);
  const step = (offset, icon, label) => {
    const entry = place < 0 ? null : sequence[place + offset];
    return entry && make("a", { class: "plain", href: getAddress({ ...query, group: false }, `/items/${entry.id}`), "aria-label": `${label}: ${entry.name}`, title: label, "data-step": offset }, makeIcon(icon));
  };
  return [step(-1, "left", "The picture before"), step(1, "right", "The next picture")];
}

export function handleKey(event) {
  if (event.target.closest("input, select, textarea, .grid")) return;
  const link = { ArrowLeft: "[data-step='-1']", ArrowRight: "[data-step='1']" }[event.key];
  if (link) document.querySelector(link)?.click();
}

const FILMS = ["MP4", "MATROSKA"]; // what browsers may play

function makeStage(item, name, query, part) {
  if (FILMS.includes(item.format)) return make("div", { class: "stage" }, makeFilm(item, name, part));
  if (part && part.page !== null) {
    const label = `Page ${part.page} of ${name}`;
    return make("div", { class: "stage" }, make("a", { href: getUrl(`/v1/items/${item.id}/picture`), "aria-label": `${label}: get the file`, title: "Get the file" }, makePicture(getPartUrl(part.id, 1600), label, { loading: "eager" })));
  }
  const image = makePicture(getThumbnailUrl(item.id, 640), name, { loading: "eager" });
  const look = async event => { if (event.ctrlKey || event.metaKey || event.shiftKey) return; event.preventDefault(); openHere(item.id, name, query); };
  return make("div", { class: "stage" }, make("a", { href: getUrl(`/v1/items/${item.id}/picture`), onclick: look, "aria-label": `Look at ${name} in full size`, title: "Look at it in full size" }, image));
}

// A film that begins at the moment of a part; where the browser can't play it, the frame of that moment.
function makeFilm(item, name, part) {
  const still = part ? getPartUrl(part.id, 640) : getThumbnailUrl(item.id, 640);
  const from = part && part.start !== null ? `#t=${part.start}` : "";
  const film = make("video", { src: `${getUrl(`/v1/items/${item.id}/picture`)}${from}`, poster: still, controls: true, preload: "metadata", playsinline: true, "aria-label": name });
  film.addEventListener("error", () => film.replaceWith(makePicture(still, name, { loading: "eager" })));
  return film;
}

const makeFact = (key, ...values) => [make("dt", {}, key), make("dd", {}, ...values)];

export function makeFacts(item) {
  const size = item.width && item.height ? `${formatNumber(item.width)} × ${formatNumber(item.height)} pixels` : null;
  const file = [item.format, item.bytes && formatBytes(item.bytes)].filter(Boolean).join(", ");
  return [
    ...(item.text ? makeFact("Text", item.text) : []),
    ...(item.uris.length ? makeFact(item.uris.length > 1 ? `In ${item.uris.length} places` : "Place", ...item.uris.map(makePath)) : makeFact("Key", item.key)),
    ...(size ? makeFact("Size", size) : []),
    ...(file ? makeFact("File", file) : []),
    ...(item.taken_at ? makeFact("Taken", formatTime(item.taken_at)) : []),
    ...makeFact("Added", formatTime(item.added_at)),
    ...(item.seen ? makeFact("Text in it", make("span", { class: "seen", dir: "auto" }, item.seen)) : []),
    ...(item.missing ? makeFact("Missing", "its file was not found") : []),
    ...Object.entries(item.metadata).flatMap(([key, value]) => makeFact(key, value === null || typeof value === "object" ? make("code", {}, JSON.stringify(value)) : String(value))),
  ];
}

// A path that may break after its joints, with its last part in full ink.
function makePath(uri) {
  const last = getFileName(uri);
  const folder = uri.slice(0, uri.length - last.length);
  return make("span", { class: "path", dir: "ltr" }, ...folder.split(/(?<=[/\\])/).flatMap(part => [part, make("wbr")]), make("b", {}, last));
}

// Adds the clusters that it lies in, coarse to fine.
async function addClusters(facts, item) {
  const clusters = await Promise.all(item.clusters.map(clusterId => request(`/clusters/${clusterId}`).catch(() => null)));
  const links = clusters.filter(Boolean).map(cluster => make("li", {}, make("a", { href: `#/clusters/${cluster.id}` }, getClusterName(cluster)), make("small", {}, `${cluster.level}, ${formatCount(cluster.size, "picture")}`)));
  facts.append(...makeFact("Clusters", links.length ? make("ul", {}, ...links) : "none"));
}

async function showSimilar(place, id, query) {
  try {
    const { hits } = await request("/search", { method: "POST", json: buildSearch(withMoreLike(emptyQuery, id), null, NEIGHBOURS) });
    const grid = makeGallery(query, "Similar pictures, best first");
    place.classList.toggle("scored", query.scores);
    place.querySelector("h2").append(makeButton("Scores", event => {
      const isOn = place.classList.toggle("scored");
      event.currentTarget.setAttribute("aria-pressed", String(isOn));
    }, { class: "also", "aria-pressed": String(query.scores) }));
    place.append(grid.element);
    grid.add(await getEntries(hits));
  } catch (error) {
    place.append(makeError(error));
  }
}
