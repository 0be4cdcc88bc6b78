// What others have added meanwhile: a line above, and a view of it.

import { ask, forget, info, live } from "./api.js";
import { button, counted, make, nothing, say } from "./dom.js";
import { endless } from "./grid.js";
import { empty } from "./question.js";
import { gallery, pages } from "./search.js";

const KEY = "nearkin-seen";
const DAY = 86_400_000;
const begun = new Date(Date.now() - 1000).toISOString();
let known = null;

const read = () => { try { return JSON.parse(localStorage.getItem(KEY)) ?? {}; } catch { return {}; } };

// The last visit, before this one is noted. Without one: the last day.
const before = { at: new Date(Date.now() - DAY).toISOString(), change: 0, ...read() };

export function watch(redraw) {
  live(async change => {
    if (known && change === known.change) return;
    const now = await info(true).catch(() => null);
    if (!now) return;
    if (!known) { known = { change, items: now.items }; localStorage.setItem(KEY, JSON.stringify({ at: begun, change })); return; }
    forget();
    const more = now.items - known.items;
    known.change = change;
    if (more > 0) tell(more, now.items, redraw);
  });
}

function tell(more, items, redraw) {
  const box = document.getElementById("news");
  const away = () => { box.hidden = true; known.items = items; };
  box.replaceChildren(make("p", {}, make("b", {}, `${counted(more, "new picture")}`), make("a", { href: `#/new?after=${encodeURIComponent(begun)}`, onclick: away }, "Look at them"),
    button("Show them here", () => { away(); redraw(); }, { class: "link" }), button("Not now", away, { class: "link" })));
  box.hidden = false;
  say(`${counted(more, "new picture")}`);
}

const TREE = ["coarse", "medium", "fine"];
const WORDS = { born: "came up", grew: "grew", shrank: "shrank", changed: "changed", split: "split", merged: "took others in", died: "is no more" };

export async function show(main, params) {
  const after = params.get("after") ?? before.at;
  const title = make("h1", { tabindex: "-1" }, "What is new");
  const when = new Date(after).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
  const grid = gallery(empty, "New pictures");
  const next = pages({ added_at: { $gte: after } });
  const [{ entries, more }, happened] = await Promise.all([next(), params.has("after") ? [] : events()]);
  main.replaceChildren(make("div", { class: "head" }, title, make("p", { class: "count" }, `since ${when}`)), happened.length ? stories(happened) : "",
    make("section", { "aria-labelledby": "came" }, make("h2", { id: "came" }, "Pictures"), entries.length ? grid.element : nothing("No new pictures", make("p", {}, "What is added shows up here."))));
  grid.add(entries);
  if (more) main.append(endless(grid, next));
  return title;
}

// The last thing that happened to each cluster, the newest first.
async function events() {
  if (!before.change) return [];
  const { events: all } = await ask(`/events?since=${before.change}`);
  return [...new Map(all.filter(one => one.cluster !== null && TREE.includes(one.level)).map(one => [one.cluster, one])).values()].reverse().slice(0, 30);
}

function stories(happened) {
  const line = one => {
    const name = one.name ?? `Cluster ${one.cluster}`;
    const count = [one.gained && one.what !== "born" ? `+${one.gained}` : "", one.lost ? `−${one.lost}` : ""].filter(Boolean).join(" ");
    return make("li", {}, one.what === "died" ? name : make("a", { href: `#/clusters/${one.cluster}` }, name), ` ${WORDS[one.what] ?? one.what}`, make("small", {}, [count, counted(one.size, "picture"), one.level].filter(Boolean).join(" · ")));
  };
  return make("section", { "aria-labelledby": "happened" }, make("h2", { id: "happened" }, "Clusters"), make("ul", { class: "stories" }, ...happened.map(line)));
}
