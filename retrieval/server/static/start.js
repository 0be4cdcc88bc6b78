// The first view: where to begin, the largest clusters, and all pictures.

import { getClusters, getInfo } from "./api.js";
import { formatNumber, make, makeError, makeNote } from "./dom.js";
import { makeEndlessEnd } from "./grid.js";
import { emptyQuery } from "./query.js";
import { makeGallery, makePager } from "./search.js";
import { makeTiles } from "./tiles.js";

const MAX_TILES = 6;

export async function show(stage, choosePicture) {
  const info = await getInfo();
  const title = make("h1", { tabindex: "-1" }, "What are you looking for?");
  if (!info.items) {
    stage.replaceChildren(makeNote("No pictures yet", make("p", {}, info.server.writable ? "Add some, and they can be searched, browsed and compared." : "This collection is empty."),
      info.server.writable && make("a", { class: "plain", href: "#/add" }, "Add pictures")));
    return title;
  }
  const button = make("button", { type: "button", class: "plain", onclick: choosePicture }, "Choose a picture");
  const hero = make("section", { class: "hero" }, title,
    make("p", {}, info.words ? "Drop a picture anywhere, paste one, or describe what is in it." : "Drop a picture anywhere, paste one, or search texts, metadata and file names."), button);
  const clusters = make("section", { "aria-labelledby": "clusters" });
  const all = make("section", { "aria-labelledby": "all" },
    make("h2", { id: "all" }, "All pictures", make("small", {}, formatNumber(info.items)), make("a", { class: "also", href: "#/search" }, "Filter")));
  stage.replaceChildren(hero, clusters, all);
  await Promise.all([showLargest(clusters), showAll(all)]);
  return title;
}

async function showLargest(place) {
  const { clusters } = await getClusters("medium").catch(() => ({ clusters: [] }));
  if (!clusters.length) return;
  place.append(
    make("h2", { id: "clusters" }, "Clusters", make("small", {}, formatNumber(clusters.length)), make("a", { class: "also", href: "#/clusters" }, "Show all")),
    makeTiles(clusters.slice(0, MAX_TILES), "The largest clusters"));
  place.querySelector(".tiles").classList.add("few");
}

async function showAll(place) {
  const grid = makeGallery(emptyQuery, "All pictures");
  place.append(grid.element);
  try {
    const getNext = makePager(null);
    const { entries, more } = await getNext();
    grid.add(entries);
    if (more) place.append(makeEndlessEnd(grid, getNext));
  } catch (error) {
    place.append(makeError(error));
  }
}
