// The tree of clusters: a level at once, or one cluster with what is in it; outliers and items in no cluster.

import { forgetAnswers, getClusters, getInfo, getItems, request } from "./api.js";
import { makeCorrectionButtons } from "./correct.js";
import { announce, countMembers, formatBytes, formatCount, formatNumber, getClusterName, make, makeButton, makeError, makeIcon, makeNote, makeSpinner, showToast } from "./dom.js";
import { Grid, getPartLink, makeEndlessEnd, makeEntry, makePartEntry } from "./grid.js";
import { emptyQuery, getAddress } from "./query.js";
import { makeGallery } from "./search.js";
import { makeClusterName, makeTiles } from "./tiles.js";

const TREE = ["coarse", "medium", "fine"];
const SORTS = {
  size: ["largest first", (a, b) => b.size - a.size],
  new: ["most new first", (a, b) => b.new - a.new || b.size - a.size],
  tight: ["most similar first", (a, b) => b.tightness - a.tightness],
  name: ["by name", (a, b) => (a.name ?? "\uffff").localeCompare(b.name ?? "\uffff")],
};

const withKind = of => (of ? `&of=${encodeURIComponent(of)}` : "");
const getLevelAddress = (level, sort, of) => `#/clusters?level=${encodeURIComponent(level)}${sort === "size" ? "" : `&sort=${sort}`}${withKind(of)}`;

// ---- all of a level

export async function showLevel(stage, params) {
  const of = params.get("of");
  const [{ levels }, { parts }] = await Promise.all([request("/levels"), getInfo()]);
  const level = params.get("level") ?? "medium", sort = params.get("sort") in SORTS ? params.get("sort") : "size";
  const title = make("h1", { tabindex: "-1" }, of ? `Clusters of ${of}` : "Clusters");
  const place = make("section", { "aria-label": `${level} clusters` }, makeSpinner("Loading the clusters…"));
  const count = make("p", { class: "count", role: "status" });
  stage.replaceChildren(make("div", { class: "head" }, title, count),
    make("div", { class: "tools" }, makeLevelSlider(level, sort, of), ...(of ? [] : makeClusteringLinks(levels.slice(3), level, sort)), make("span", { class: "push" }), makeSortMenu(level, sort, of)),
    makeKinds(parts ?? [], of, level, sort), place);
  try {
    const { clusters, loose } = await getClusters(level, null, of);
    count.textContent = `${formatCount(clusters.length, "cluster")}${TREE.includes(level) ? "" : ` of “${level}”`}`;
    const sorted = [...clusters].sort(SORTS[sort][1]);
    place.replaceChildren(sorted.length ? makeTiles(sorted, `${level} clusters`) : makeNote("No clusters yet", make("p", {}, "Clusters form by themselves once five or more pictures look alike.")), makeFurtherLinks(loose, level, of));
  } catch (error) {
    place.replaceChildren(makeError(error));
  }
  return title;
}

// What else is clustered: the kinds of parts that were found, with what is known of the one that is shown.
function makeKinds(kinds, of, level, sort) {
  if (!kinds.length) return "";
  const tree = TREE.includes(level) ? level : "medium";
  const links = [null, ...kinds.map(({ kind }) => kind)].map(kind => make("a", { class: "toggle", href: getLevelAddress(tree, sort, kind), "aria-current": kind === of ? "true" : null }, kind ?? "pictures"));
  const facts = kinds.filter(({ kind }) => kind === of).map(({ parts, looked, waiting, bytes }) =>
    `${formatNumber(parts)} in ${formatCount(looked, "picture")}${waiting ? `, ${formatNumber(waiting)} not looked at yet` : ""} · ${formatBytes(bytes)}`);
  return make("p", { class: "tools clustered", role: "group", "aria-label": "What is clustered" }, ...links, ...facts.map(text => make("small", {}, text)));
}

function makeFurtherLinks(loose, level, of) {
  if (of) return make("p", { class: "further" }, loose > 0 && make("a", { href: `#/loose?level=${encodeURIComponent(level)}${withKind(of)}` }, `${formatNumber(loose)} unclustered ${of}`), make("a", { href: `#/outliers?${withKind(of).slice(1)}` }, "Outliers"));
  return make("p", { class: "further" },
    loose > 0 && make("a", { href: `#/loose?level=${encodeURIComponent(level)}` }, `${formatCount(loose, "unclustered picture")}`),
    make("a", { href: "#/outliers" }, "Outliers"), make("a", { href: "#/new" }, "What is new"), make("a", { href: "#/summary" }, "Summary"), make("a", { href: "#/learn" }, "Learning"), make("a", { href: "#/corrections" }, "Corrections"));
}

function makeLevelSlider(level, sort, of) {
  const place = TREE.indexOf(level);
  const slider = make("input", { type: "range", id: "level", min: 0, max: 2, step: 1, value: place < 0 ? 1 : place, "aria-valuetext": place < 0 ? "medium" : level, list: "levels" });
  slider.addEventListener("input", () => slider.setAttribute("aria-valuetext", TREE[slider.value]));
  slider.addEventListener("change", () => { location.hash = getLevelAddress(TREE[slider.value], sort, of); });
  const stops = TREE.map(name => make("span", { class: name === level ? "current" : "", onclick: () => { location.hash = getLevelAddress(name, sort, of); } }, name));
  return make("div", { class: `levels ${place < 0 ? "off" : ""}` }, make("label", { class: "aside", for: "level" }, "Cluster level, coarse to fine"), slider,
    make("span", { class: "stops", "aria-hidden": "true" }, ...stops));
}

const makeClusteringLinks = (names, level, sort) => names.map(name => make("a", { class: "toggle", href: getLevelAddress(name, sort), "aria-current": name === level ? "true" : null }, name));

function makeSortMenu(level, sort, of) {
  const select = make("select", { "aria-label": "Sort" }, ...Object.entries(SORTS).map(([key, [label]]) => make("option", { value: key, selected: key === sort }, label)));
  select.addEventListener("change", () => { location.hash = getLevelAddress(level, select.value, of); });
  return select;
}

// ---- one cluster

// The clusters above, the coarsest first; a parent of the same size is the same cluster and is left out.
async function getParents(cluster) {
  if (cluster.parent === null) return [];
  const parent = await request(`/clusters/${cluster.parent}`);
  const parents = await getParents(parent);
  return parent.size === cluster.size ? parents : [...parents, parent];
}

// The clusters inside, one level finer; a single one of the same size is the same cluster: those inside that.
async function getParts(cluster) {
  const finer = TREE[TREE.indexOf(cluster.level) + 1];
  if (!cluster.children.length || !finer) return [];
  const parts = (await getClusters(finer, null, cluster.of)).clusters.filter(part => part.parent === cluster.id);
  return parts.length === 1 && parts[0].size === cluster.size ? getParts(parts[0]) : parts;
}

function makeCrumbs(parents, cluster) {
  const makeStep = (text, href) => make("li", {}, make("a", { href, dir: "auto" }, text));
  return make("nav", { class: "crumbs", "aria-label": "Breadcrumbs" }, make("ol", {},
    makeStep(cluster.of ? `Clusters of ${cluster.of}` : "Clusters", getLevelAddress(TREE.includes(cluster.level) ? "coarse" : cluster.level, "size", cluster.of)),
    ...parents.map(parent => makeStep(getClusterName(parent), `#/clusters/${parent.id}`)), make("li", { "aria-current": "page" }, getClusterName(cluster))));
}

export async function showCluster(stage, id) {
  const cluster = await request(`/clusters/${id}`);
  const [parents, parts, { server }] = await Promise.all([getParents(cluster), getParts(cluster), getInfo()]);
  const title = make("h1", { tabindex: "-1", dir: "auto" }, makeClusterName(cluster));
  const head = make("div", { class: "head" }, title, server.writable && makeRenameButton(title, cluster));
  const similarity = cluster.tightness > 0.999 ? "all identical" : `mean similarity ${Math.round(100 * cluster.tightness)} %`;
  const facts = make("p", { class: "count" }, `${countMembers(cluster)} · ${cluster.level} · ${similarity}`, cluster.new ? make("b", {}, ` · +${cluster.new} new`) : "");
  const label = `${cluster.of ? "Parts" : "Pictures"} of ${getClusterName(cluster)}, the most typical first`;
  const grid = cluster.of ? new Grid(label, { getLink: getPartLink }) : makeGallery(emptyQuery, label, { getAllIds: most => fetchMembers(cluster.id, most) });
  const corrections = server.writable && TREE.includes(cluster.level) ? makeCorrectionButtons(cluster, grid, () => showWhatIsLeft(stage, cluster)) : { buttons: [], bar: "" };
  const pictures = make("section", { "aria-labelledby": "pictures" }, make("h2", { id: "pictures" }, cluster.of ? "Parts" : "Pictures", make("small", {}, "the most typical first")), corrections.bar, grid.element);
  stage.replaceChildren(makeCrumbs(parents, cluster), head, facts, make("p", { class: "buttons" },
    make("a", { class: "plain", href: getAddress({ ...emptyQuery, within: cluster.id }) }, "Search inside"), make("a", { class: "plain", href: `#/summary?within=${cluster.id}` }, "Sum up"), ...corrections.buttons), parts.length ? makePartsSection(parts, cluster) : "", pictures);
  const getNext = cluster.of ? makePartPager(id) : makeMemberPager(id);
  const { entries, more } = await getNext();
  grid.add(entries);
  if (more) pictures.append(makeEndlessEnd(grid, getNext));
  return title;
}

// After a correction: the cluster, or all of its level if it is no more or hidden.
async function showWhatIsLeft(stage, { id, level, of }) {
  const { clusters } = await getClusters(level, null, of);
  if (clusters.some(cluster => cluster.id === id)) await showCluster(stage, id);
  else location.hash = getLevelAddress(level, "size", of);
}

function makePartsSection(parts, cluster) {
  const rest = cluster.size - parts.reduce((sum, part) => sum + part.size, 0);
  const sorted = [...parts].sort(SORTS.size[1]);
  return make("section", { "aria-labelledby": "parts" }, make("h2", { id: "parts" }, formatCount(parts.length, "subcluster"), make("small", {}, rest > 0 ? `${countMembers({ ...cluster, size: rest })} in none of them` : "")), makeTiles(sorted, "Subclusters"));
}

async function fetchMembers(id, most) {
  const ids = [];
  for (let page = 1; page && ids.length < most;) {
    const rows = await request(`/clusters/${id}/items?page=${page}&size=1000`);
    ids.push(...rows.items.map(item => item.id));
    page = rows.cursor;
  }
  return ids;
}

function makeMemberPager(id) {
  let number = 1;
  return async () => {
    const page = await request(`/clusters/${id}/items?page=${number}&size=60`);
    number = page.cursor;
    return { entries: page.items.map(item => makeEntry(item)), more: number !== null };
  };
}

function makePartPager(id) {
  let number = 1;
  return async () => {
    const page = await request(`/clusters/${id}/parts?page=${number}&size=60`);
    number = page.cursor;
    return { entries: await makePartEntries(page.parts), more: number !== null };
  };
}

async function makePartEntries(parts) {
  const items = new Map((await getItems(parts.map(part => part.item))).map(item => [item.id, item]));
  return parts.filter(part => items.has(part.item)).map(part => makePartEntry(part, items.get(part.item)));
}

// A name is changed where it stands: Enter saves, Escape cancels; an empty one restores the automatic name.
function makeRenameButton(title, cluster) {
  const start = makeButton(makeIcon("pen"), () => {
    const input = make("input", { type: "text", value: cluster.name ?? "", "aria-label": "Name of the cluster", maxlength: 200, placeholder: "automatic name" });
    const form = make("form", { class: "rename", onsubmit: event => { event.preventDefault(); save(input.value.trim()); } }, input, make("button", { type: "submit", class: "plain" }, "Save"));
    const close = () => { form.replaceWith(title); start.hidden = false; start.focus(); };
    const save = async name => {
      try {
        Object.assign(cluster, await request(`/clusters/${cluster.id}`, { method: "PATCH", json: { name: name || null } }));
        title.replaceChildren(makeClusterName(cluster));
        document.querySelector(".crumbs [aria-current]").textContent = getClusterName(cluster);
        forgetAnswers();
        close();
        announce(`The cluster is named ${getClusterName(cluster)} now`);
      } catch (error) { showToast(error.detail ?? error.message); input.focus(); }
    };
    input.addEventListener("keydown", event => { if (event.key === "Escape") { event.stopPropagation(); close(); } });
    title.replaceWith(form);
    start.hidden = true;
    input.focus();
    input.select();
  }, { class: "icon", "aria-label": "Rename this cluster", title: "Rename" });
  return start;
}

// ---- what is in no cluster

export async function showOutliers(stage, of) {
  const { outliers } = await request(`/outliers?n=60${withKind(of)}`);
  return showList(stage, of ? `Outliers of ${of}` : "Outliers", of ? "Those that look least like any other, the strangest first." : "The pictures that look least like any other, the strangest first.", outliers, outlier => `similarity ${outlier.score.toFixed(2)}`);
}

export async function showLoose(stage, level, of) {
  const [{ loose }, { clusters }] = await Promise.all([request(`/clusters/loose?level=${encodeURIComponent(level)}${withKind(of)}`), getClusters(level, null, of)]);
  const names = new Map(clusters.map(cluster => [cluster.id, getClusterName(cluster)]));
  const describe = ({ nearest, similarity }) => (nearest ? `similarity ${similarity.toFixed(2)} to ${names.get(nearest) ?? `cluster ${nearest}`}` : "");
  return showList(stage, `Unclustered ${of ?? "pictures"} (${level})`, `Fewer than five ${of ?? "pictures"} that look alike do not form a cluster.`, loose, describe);
}

export async function showList(stage, name, explanation, rows, describe) {
  const items = new Map((await getItems(rows.map(row => row.item))).map(item => [item.id, item]));
  const isOfParts = rows.some(row => row.part);
  const grid = new Grid(name, { getLink: isOfParts ? getPartLink : entry => `#/items/${entry.id}`, lines: true });
  const title = make("h1", { tabindex: "-1" }, name);
  stage.replaceChildren(make("div", { class: "head" }, title), make("p", { class: "count" }, explanation), rows.length ? grid.element : makeNote("None", make("p", {}, "Every picture is in a cluster.")));
  grid.add(rows.filter(row => items.has(row.item)).map((row, place) => {
    const extra = { line: describe(row, place) };
    return row.part ? makePartEntry(row.part, items.get(row.item), extra) : makeEntry(items.get(row.item), extra);
  }));
  return title;
}
