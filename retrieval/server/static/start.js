// The first view: where to begin, the largest clusters, and all pictures.

import { clusters, info } from "./api.js";
import { make, nothing, trouble } from "./dom.js";
import { endless } from "./grid.js";
import { empty } from "./question.js";
import { gallery, pages } from "./search.js";
import { tiles } from "./tiles.js";

const FEW = 6;

export async function show(main, choose) {
  const facts = await info();
  const title = make("h1", { tabindex: "-1" }, "What are you looking for?");
  if (!facts.items) {
    main.replaceChildren(nothing("No pictures yet", make("p", {}, facts.server.writable ? "Add some, and they can be searched, browsed and compared." : "This collection is empty."),
      facts.server.writable && make("a", { class: "plain", href: "#/add" }, "Add pictures")));
    return title;
  }
  const button = make("button", { type: "button", class: "plain", onclick: choose }, "Choose a picture");
  const hero = make("section", { class: "hero" }, title,
    make("p", {}, facts.words ? "Drop a picture anywhere, paste one, or describe what should be seen in it." : "Drop a picture anywhere, paste one, or search the words that are written about pictures."), button);
  const families = make("section", { "aria-labelledby": "families" });
  const all = make("section", { "aria-labelledby": "all" },
    make("h2", { id: "all" }, "All pictures", make("small", {}, facts.items.toLocaleString("en")), make("a", { class: "also", href: "#/search" }, "Filter")));
  main.replaceChildren(hero, families, all);
  await Promise.all([largest(families), everything(all)]);
  return title;
}

async function largest(place) {
  const found = await clusters("medium").catch(() => ({ clusters: [] }));
  if (!found.clusters.length) return;
  place.append(
    make("h2", { id: "families" }, "Clusters", make("small", {}, found.clusters.length.toLocaleString("en")), make("a", { class: "also", href: "#/clusters" }, "Show all")),
    tiles(found.clusters.slice(0, FEW), "The largest clusters"));
  place.querySelector(".tiles").classList.add("few");
}

async function everything(place) {
  const grid = gallery(empty, "All pictures");
  place.append(grid.element);
  try {
    const next = pages(null);
    const { entries, more } = await next();
    grid.add(entries);
    if (more) place.append(endless(grid, next));
  } catch (error) {
    place.append(trouble(error));
  }
}
