// Clusters as tiles of their representatives.

import { countMembers, formatNumber, getClusterName, getMemberUrl, make, makePicture } from "./dom.js";

// So many pictures fill a tile without a gap.
const FULL_TILES = [9, 6, 3, 2, 1];
const PAGE = 60;

function makeMosaic(cluster) {
  const itemIds = cluster.representatives.slice(0, FULL_TILES.find(count => count <= cluster.representatives.length));
  const images = itemIds.map((itemId, place) => makePicture(getMemberUrl(cluster, itemId, place ? 160 : 320), ""));
  return make("span", { class: `mosaic n${itemIds.length}` }, ...images);
}

export const makeClusterName = cluster => make("span", { class: cluster.name ? "" : "unnamed", dir: "auto" }, getClusterName(cluster));

function makeTile(cluster) {
  const size = countMembers(cluster);
  const link = make("a", { class: "tile", href: `#/clusters/${cluster.id}` }, makeMosaic(cluster),
    make("span", { class: "words" }, make("span", { class: "name" }, makeClusterName(cluster)), make("span", { class: "about" }, size)));
  if (cluster.new) link.append(make("span", { class: "badge" }, `+${formatNumber(cluster.new)} new`));
  return make("li", {}, link);
}

// The first tiles, and a button for the next.
export function makeTiles(clusters, label) {
  const list = make("ul", { class: "tiles", "aria-label": label }, ...clusters.slice(0, PAGE).map(makeTile));
  const rest = clusters.slice(PAGE);
  if (!rest.length) return list;
  const more = make("button", { type: "button", class: "plain more", onclick: () => more.replaceWith(makeTiles(rest, label)) }, `Show ${Math.min(rest.length, PAGE)} more of ${rest.length}`);
  return make("div", {}, list, more);
}
