// One picture: large, with what is known of it and what looks like it.

import { ask, info, item } from "./api.js";
import { bytes, button, called, counted, day, drawn, fileName, make, named, picture, thumbnail, trouble } from "./dom.js";
import { address, body, empty, less, more } from "./question.js";
import { entries, gallery, tray } from "./search.js";

const NEIGHBOURS = 40;

export async function show(main, id, question) {
  const found = await item(id);
  const name = called(found);
  const title = make("h1", { tabindex: "-1", dir: "auto" }, name);
  const facts = make("dl", { class: "facts" }, ...known(found));
  const near = make("section", { "aria-labelledby": "near" }, make("h2", { id: "near" }, "Looks like it"));
  main.replaceChildren(await tray(question),
    make("article", { class: "item" }, stage(found, name), make("div", { class: "about-item" }, title, make("div", { class: "buttons" },
      make("a", { class: "plain main", href: address(more(question, id)) }, drawn("plus"), "More like this"),
      make("a", { class: "plain", href: address(less(question, id)) }, drawn("minus"), "Less like this")), facts)), near);
  await Promise.all([clustersOf(facts, id), neighbours(near, id, question)]);
  return title;
}

function stage(found, name) {
  const large = picture(thumbnail(found.id, 640), name, { loading: "eager" });
  return make("div", { class: "stage" }, make("a", { href: `/v1/items/${found.id}/picture`, target: "_blank", rel: "noopener", "aria-label": `Open the whole picture of ${name} in a new tab`, title: "Open the whole picture" }, large));
}

const pair = (key, ...values) => [make("dt", {}, key), make("dd", {}, ...values)];

function known(found) {
  const size = found.width && found.height ? `${found.width.toLocaleString("en")} × ${found.height.toLocaleString("en")} pixels` : null;
  const file = [found.format, found.bytes && bytes(found.bytes)].filter(Boolean).join(", ");
  return [
    ...(found.text ? pair("Text", found.text) : []),
    ...(found.uris.length ? pair(found.uris.length > 1 ? `In ${found.uris.length} places` : "Place", ...found.uris.map(path)) : pair("Key", found.key)),
    ...(size ? pair("Size", size) : []),
    ...(file ? pair("File", file) : []),
    ...(found.taken_at ? pair("Taken", day(found.taken_at)) : []),
    ...pair("Added", day(found.added_at)),
    ...(found.missing ? pair("Missing", "its file has vanished") : []),
    ...Object.entries(found.metadata).flatMap(([key, value]) => pair(key, value === null || typeof value === "object" ? make("code", {}, JSON.stringify(value)) : String(value))),
  ];
}

// A path that may break after its joints, with its last part in full ink.
function path(uri) {
  const last = fileName(uri);
  const before = uri.slice(0, uri.length - last.length);
  return make("span", { class: "path", dir: "ltr" }, ...before.split(/(?<=[/\\])/).flatMap(part => [part, make("wbr")]), make("b", {}, last));
}

// The clusters it lies in, coarse to fine. A search that only it can answer tells them.
async function clustersOf(facts, id) {
  const { dimension } = await info();
  if (!dimension) return;
  const { hits } = await ask("/search", { method: "POST", json: { vector: Array(dimension).fill(1), where: { id }, k: 1 } });
  const found = await Promise.all((hits[0]?.clusters ?? []).map(one => ask(`/clusters/${one}`).catch(() => null)));
  const links = found.filter(Boolean).map(one => make("li", {}, make("a", { href: `#/clusters/${one.id}` }, named(one)), make("small", {}, `${one.level}, ${counted(one.size, "picture")}`)));
  facts.append(...pair("Clusters", links.length ? make("ul", {}, ...links) : "in none"));
}

async function neighbours(place, id, question) {
  try {
    const { hits } = await ask("/search", { method: "POST", json: body(more(empty, id), null, NEIGHBOURS) });
    const grid = gallery(question, "Looks like it, best first");
    place.classList.toggle("scored", question.scores);
    place.querySelector("h2").append(button("Scores", event => {
      const on = place.classList.toggle("scored");
      event.currentTarget.setAttribute("aria-pressed", String(on));
    }, { class: "also", "aria-pressed": String(question.scores) }));
    place.append(grid.element);
    grid.add(await entries(hits));
  } catch (error) {
    place.append(trouble(error));
  }
}
