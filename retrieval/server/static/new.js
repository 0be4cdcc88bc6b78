// What is new: a line above the page when others add pictures, and a view of it.

import { forgetAnswers, getInfo, makeKey, request, watchChanges } from "./api.js";
import { announce, formatCount, formatTime, getClusterName, make, makeButton, makeNote } from "./dom.js";
import { makeEndlessEnd } from "./grid.js";
import { emptyQuery } from "./query.js";
import { makeGallery, makePager } from "./search.js";

const VISIT_KEY = makeKey("seen");
const DAY = 86_400_000;
const MAX_EVENTS = 30;
const visitStart = new Date(Date.now() - 1000).toISOString();
let known = null; // the change number and the number of items that the page shows

const readVisit = () => { try { return JSON.parse(localStorage.getItem(VISIT_KEY)) ?? {}; } catch { return {}; } };

// The last visit, before this one is noted. Without one: the last day.
const lastVisit = { at: new Date(Date.now() - DAY).toISOString(), change: 0, ...readVisit() };

export function watchForNews(redraw) {
  watchChanges(async change => {
    if (known && change === known.change) return;
    const info = await getInfo(true).catch(() => null);
    if (!info) return;
    if (!known) { known = { change, items: info.items }; localStorage.setItem(VISIT_KEY, JSON.stringify({ at: visitStart, change })); return; }
    forgetAnswers();
    const added = info.items - known.items;
    known.change = change;
    if (added > 0) showNews(added, info.items, redraw);
  });
}

function showNews(added, items, redraw) {
  const box = document.getElementById("news");
  const close = () => { box.hidden = true; known.items = items; };
  box.replaceChildren(make("p", {}, make("b", {}, formatCount(added, "new picture")), make("a", { href: `#/new?after=${encodeURIComponent(visitStart)}`, onclick: close }, "Look at them"),
    makeButton("Refresh this page", () => { close(); redraw(); }, { class: "link" }), makeButton("Not now", close, { class: "link" })));
  box.hidden = false;
  announce(formatCount(added, "new picture"));
}

const TREE = ["coarse", "medium", "fine"];
const VERBS = { born: "was created", grew: "grew", shrank: "shrank", changed: "changed", split: "was split", merged: "was merged with others", died: "was removed" };

export async function show(stage, params) {
  const after = params.get("after") ?? lastVisit.at;
  const title = make("h1", { tabindex: "-1" }, "What is new");
  const grid = makeGallery(emptyQuery, "New pictures");
  const getNext = makePager({ added_at: { $gte: after } });
  const [{ entries, more }, events] = await Promise.all([getNext(), params.has("after") ? [] : getEvents()]);
  stage.replaceChildren(make("div", { class: "head" }, title, make("p", { class: "count" }, `since ${formatTime(after)}`)), events.length ? makeEventsSection(events) : "",
    make("section", { "aria-labelledby": "added" }, make("h2", { id: "added" }, "Pictures"), entries.length ? grid.element : makeNote("No new pictures", make("p", {}, "Pictures that are added appear here."))));
  grid.add(entries);
  if (more) stage.append(makeEndlessEnd(grid, getNext));
  return title;
}

// The last event of each cluster since the last visit, the newest first.
async function getEvents() {
  if (!lastVisit.change) return [];
  const { events } = await request(`/events?since=${lastVisit.change}`);
  const byCluster = new Map(events.filter(event => event.cluster !== null && TREE.includes(event.level)).map(event => [event.cluster, event]));
  return [...byCluster.values()].reverse().slice(0, MAX_EVENTS);
}

function makeEventsSection(events) {
  const makeLine = event => {
    const name = getClusterName({ id: event.cluster, name: event.name });
    const change = [event.gained && event.what !== "born" ? `+${event.gained}` : "", event.lost ? `−${event.lost}` : ""].filter(Boolean).join(" ");
    const details = [change, formatCount(event.size, "picture"), event.level].filter(Boolean).join(" · ");
    return make("li", {}, event.what === "died" ? name : make("a", { href: `#/clusters/${event.cluster}` }, name), ` ${VERBS[event.what] ?? event.what}`, make("small", {}, details));
  };
  return make("section", { "aria-labelledby": "events" }, make("h2", { id: "events" }, "Clusters"), make("ul", { class: "events" }, ...events.map(makeLine)));
}
