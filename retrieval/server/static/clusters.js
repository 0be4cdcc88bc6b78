// The tree of clusters: a level at once, or one cluster with what is in it; what fits nowhere.

import { ask, clusters, forget, info, several } from "./api.js";
import { busy, button, counted, drawn, make, named, nothing, say, toast, trouble } from "./dom.js";
import { endless, entry, Grid } from "./grid.js";
import { address, empty } from "./question.js";
import { gallery } from "./search.js";
import { tiles, unnamed } from "./tiles.js";

const TREE = ["coarse", "medium", "fine"];
const SORTS = {
  size: ["largest first", (a, b) => b.size - a.size],
  new: ["most new first", (a, b) => b.new - a.new || b.size - a.size],
  tight: ["most alike first", (a, b) => b.tightness - a.tightness],
  name: ["by name", (a, b) => (a.name ?? "\uffff").localeCompare(b.name ?? "\uffff")],
};

const overviewAt = (level, sort) => `#/clusters?level=${encodeURIComponent(level)}${sort === "size" ? "" : `&sort=${sort}`}`;

// ---- all of a level

export async function overview(main, params) {
  const { levels } = await ask("/levels");
  const level = params.get("level") ?? "medium", sort = params.get("sort") in SORTS ? params.get("sort") : "size";
  const title = make("h1", { tabindex: "-1" }, "Clusters");
  const place = make("section", { "aria-label": `${level} clusters` }, busy("Looking at the clusters…"));
  const count = make("p", { class: "count", role: "status" });
  const head = make("div", { class: "head" }, title, count);
  main.replaceChildren(head, make("div", { class: "tools" }, slider(level, sort), ...byName(levels.slice(3), level, sort), make("span", { class: "push" }), sorting(level, sort)), place);
  try {
    const found = await clusters(level);
    count.textContent = `${counted(found.clusters.length, "cluster")}${TREE.includes(level) ? "" : ` of “${level}”`}`;
    const sorted = [...found.clusters].sort(SORTS[sort][1]);
    place.replaceChildren(sorted.length ? tiles(sorted, `${level} clusters`) : nothing("No clusters yet", make("p", {}, "They come up by themselves once there are some pictures that look alike.")), beside(found, level));
  } catch (error) {
    place.replaceChildren(trouble(error));
  }
  return title;
}

function beside(found, level) {
  return make("p", { class: "beside" },
    found.loose > 0 && make("a", { href: `#/loose?level=${encodeURIComponent(level)}` }, `${counted(found.loose, "picture")} in none of them`),
    make("a", { href: "#/outliers" }, "What fits nowhere"), make("a", { href: "#/new" }, "What is new"));
}

function slider(level, sort) {
  const at = TREE.indexOf(level);
  const range = make("input", { type: "range", id: "level", min: 0, max: 2, step: 1, value: at < 0 ? 1 : at, "aria-valuetext": at < 0 ? "medium" : level, list: "levels" });
  range.addEventListener("input", () => range.setAttribute("aria-valuetext", TREE[range.value]));
  range.addEventListener("change", () => { location.hash = overviewAt(TREE[range.value], sort); });
  const names = make("span", { class: "stops", "aria-hidden": "true" }, ...TREE.map((one, place) => make("span", { class: place === at ? "here" : "", onclick: () => { location.hash = overviewAt(one, sort); } }, one)));
  return make("div", { class: `levels ${at < 0 ? "off" : ""}` }, make("label", { class: "aside", for: "level" }, "How fine the clusters are"), range, names);
}

const byName = (names, level, sort) => names.map(one => make("a", { class: "toggle", href: overviewAt(one, sort), "aria-current": one === level ? "true" : null }, one));

function sorting(level, sort) {
  const select = make("select", { "aria-label": "Sort" }, ...Object.entries(SORTS).map(([key, [words]]) => make("option", { value: key, selected: key === sort }, words)));
  select.addEventListener("change", () => { location.hash = overviewAt(level, select.value); });
  return select;
}

// ---- one cluster

async function chain(cluster) {
  if (cluster.parent === null) return [];
  const parent = await ask(`/clusters/${cluster.parent}`);
  const above = await chain(parent);
  return parent.size === cluster.size ? above : [...above, parent];
}

// What lies in it, one level finer; one that holds just the same is passed over.
async function parts(cluster) {
  const finer = TREE[TREE.indexOf(cluster.level) + 1];
  if (!cluster.children.length || !finer) return [];
  const inside = (await clusters(finer)).clusters.filter(one => one.parent === cluster.id);
  return inside.length === 1 && inside[0].size === cluster.size ? parts(inside[0]) : inside;
}

function crumbs(above, cluster) {
  const step = (text, href) => make("li", {}, make("a", { href, dir: "auto" }, text));
  return make("nav", { class: "crumbs", "aria-label": "Breadcrumbs" }, make("ol", {},
    step("Clusters", overviewAt(TREE.includes(cluster.level) ? "coarse" : cluster.level, "size")),
    ...above.map(one => step(named(one), `#/clusters/${one.id}`)), make("li", { "aria-current": "page" }, named(cluster))));
}

export async function one(main, id) {
  const cluster = await ask(`/clusters/${id}`);
  const [above, inside, { server }] = await Promise.all([chain(cluster), parts(cluster), info()]);
  const title = make("h1", { tabindex: "-1", dir: "auto" }, unnamed(cluster));
  const head = make("div", { class: "head" }, title, server.writable && renaming(title, cluster));
  const alike = cluster.tightness > 0.999 ? "all the same" : `${Math.round(100 * cluster.tightness)} % alike on average`;
  const facts = make("p", { class: "count" }, `${counted(cluster.size, "picture")} · ${cluster.level} · ${alike}`, cluster.new ? make("b", {}, ` · +${cluster.new} new`) : "");
  const grid = gallery(empty, `Pictures of ${named(cluster)}, the most typical first`);
  const pictures = make("section", { "aria-labelledby": "pictures" }, make("h2", { id: "pictures" }, "Pictures", make("small", {}, "the most typical first")), grid.element);
  main.replaceChildren(crumbs(above, cluster), head, facts, make("p", { class: "buttons" },
    make("a", { class: "plain", href: address({ ...empty, within: cluster.id }) }, "Search inside")), inside.length ? made(inside, cluster) : "", pictures);
  const next = members(id);
  const { entries, more } = await next();
  grid.add(entries);
  if (more) pictures.append(endless(grid, next));
  return title;
}

function made(inside, cluster) {
  const rest = cluster.size - inside.reduce((sum, part) => sum + part.size, 0);
  const sorted = [...inside].sort(SORTS.size[1]);
  return make("section", { "aria-labelledby": "parts" }, make("h2", { id: "parts" }, counted(inside.length, "part"), make("small", {}, rest > 0 ? `${counted(rest, "picture")} in none of them` : "")), tiles(sorted, "Parts"));
}

function members(id) {
  let page = 1;
  return async () => {
    const found = await ask(`/clusters/${id}/items?page=${page}&size=60`);
    page = found.cursor;
    return { entries: found.items.map(one => entry(one)), more: page !== null };
  };
}

// A name is changed where it stands: Enter keeps, Escape does not; an empty one gives the cluster's own back.
function renaming(title, cluster) {
  const start = button(drawn("pen"), () => {
    const input = make("input", { type: "text", value: cluster.name ?? "", "aria-label": "Name of the cluster", maxlength: 200, placeholder: "its own name" });
    const form = make("form", { class: "rename", onsubmit: event => { event.preventDefault(); keep(input.value.trim()); } }, input, make("button", { type: "submit", class: "plain" }, "Keep"));
    const done = () => { form.replaceWith(title); start.hidden = false; start.focus(); };
    const keep = async name => {
      try {
        Object.assign(cluster, await ask(`/clusters/${cluster.id}`, { method: "PATCH", json: { name: name || null } }));
        title.replaceChildren(unnamed(cluster));
        document.querySelector(".crumbs [aria-current]").textContent = named(cluster);
        forget();
        done();
        say(`The cluster is called ${named(cluster)} now`);
      } catch (error) { toast(error.detail ?? error.message); input.focus(); }
    };
    input.addEventListener("keydown", event => { if (event.key === "Escape") { event.stopPropagation(); done(); } });
    title.replaceWith(form);
    start.hidden = true;
    input.focus();
    input.select();
  }, { class: "icon", "aria-label": "Rename this cluster", title: "Rename" });
  return start;
}

// ---- what is in no cluster

export async function outliers(main) {
  const found = (await ask("/outliers?n=60")).outliers;
  return listed(main, "What fits nowhere", "Pictures that look least like any other, the strangest first.", found, one => `similarity ${one.score.toFixed(2)}`);
}

export async function loose(main, level) {
  const found = (await ask(`/clusters/loose?level=${encodeURIComponent(level)}`)).loose;
  return listed(main, `In no ${level} cluster`, "Fewer than five pictures that look alike make no cluster.", found, one => (one.nearest ? `${one.similarity.toFixed(2)} to cluster ${one.nearest}` : ""));
}

async function listed(main, name, why, found, line) {
  const known = new Map((await several(found.map(one => one.item))).map(one => [one.id, one]));
  const grid = new Grid(name, { link: shown => `#/items/${shown.id}`, lines: true });
  const title = make("h1", { tabindex: "-1" }, name);
  main.replaceChildren(make("div", { class: "head" }, title), make("p", { class: "count" }, why), found.length ? grid.element : nothing("Nothing here", make("p", {}, "Everything has its place.")));
  grid.add(found.filter(one => known.has(one.item)).map(one => entry(known.get(one.item), { line: line(one) })));
  return title;
}
