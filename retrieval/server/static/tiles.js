// Clusters as tiles of their representatives.

import { counted, make, named, picture, thumbnail } from "./dom.js";

// So many pictures fill a tile without a gap.
const FULL = [9, 6, 3, 2, 1];

function mosaic(cluster) {
  const shown = cluster.representatives.slice(0, FULL.find(one => one <= cluster.representatives.length));
  const images = shown.map((one, place) => picture(thumbnail(one, place ? 160 : 320), ""));
  return make("span", { class: `mosaic n${shown.length}` }, ...images);
}

export const unnamed = cluster => make("span", { class: cluster.name ? "" : "unnamed", dir: "auto" }, named(cluster));

function tile(cluster) {
  const about = counted(cluster.size, "picture");
  const link = make("a", { class: "tile", href: `#/clusters/${cluster.id}` }, mosaic(cluster),
    make("span", { class: "words" }, make("span", { class: "name" }, unnamed(cluster)), make("span", { class: "about" }, about)));
  if (cluster.new) link.append(make("span", { class: "badge" }, `+${cluster.new.toLocaleString("en")} new`));
  return make("li", {}, link);
}

const PAGE = 60;

// So many at a time; the rest on demand.
export function tiles(clusters, label) {
  const list = make("ul", { class: "tiles", "aria-label": label }, ...clusters.slice(0, PAGE).map(tile));
  const rest = clusters.slice(PAGE);
  if (!rest.length) return list;
  const more = make("button", { type: "button", class: "plain more", onclick: () => more.replaceWith(tiles(rest, label)) }, `Show ${Math.min(rest.length, PAGE)} more of ${rest.length}`);
  return make("div", {}, list, more);
}
