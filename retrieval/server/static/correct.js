// Corrections of clusters: two are one, pictures belong elsewhere, a cluster is hidden. Each can be taken back.

import { forgetAnswers, getClusters, getInfo, getItems, request } from "./api.js";
import { countMembers, formatCount, formatTime, getClusterName, getItemName, getMemberUrl, getPartUrl, getThumbnailUrl, make, makeButton, makeIcon, makeNote, makePicture, showToast } from "./dom.js";
import { Grid } from "./grid.js";

const CHOICES = 60;
const OUTCOMES = {
  merge: "The two clusters are one now", split: "The pictures are a cluster of their own now", move: "The pictures were moved", together: "The pictures stay together",
  apart: "The two pictures stay apart", hide: "The cluster is hidden",
};
const SENTENCES = {
  merge: "Two clusters were merged", split: "Pictures were taken out of a cluster", move: "Pictures were moved to a cluster", together: "Pictures were kept together",
  apart: "Two pictures were kept apart", hide: "A cluster was hidden",
};

// Says it to the server, and offers to take it back; `leave` shows what became of the cluster.
async function correct(body, leave) {
  try {
    const { decisions: [decision] } = await request("/corrections", { method: "POST", json: body });
    forgetAnswers();
    const { corrections } = await request("/corrections");
    const exception = corrections.find(correction => correction.decision === decision)?.exception;
    await leave();
    showToast(exception || OUTCOMES[body.kind], ["Undo", async () => { await undo(decision); await leave(); }]);
  } catch (error) { showToast(error.detail ?? error.message); }
}

async function undo(decision) {
  await request(`/decisions/${decision}`, { method: "DELETE" });
  forgetAnswers();
  showToast("The correction was taken back");
}

// ---- on the page of a cluster

// The buttons that correct a cluster. `grid`: its pictures, among which some can be picked. `leave`: what to show then.
export function makeCorrectionButtons(cluster, grid, leave) {
  const picking = new Picking(cluster, grid, leave);
  const merge = makeButton("Merge with…", async () => {
    const chosen = await chooseCluster("Merge with which cluster?", cluster);
    if (chosen) await correct({ kind: "merge", clusters: [cluster.id, chosen.id] }, leave);
  }, { class: "plain" });
  const hide = makeButton("Hide", () => correct({ kind: "hide", clusters: [cluster.id] }, leave), { class: "plain", title: "Leave it out of the lists of clusters; its pictures stay" });
  return { buttons: [merge, picking.start, hide], bar: picking.bar };
}

class Picking {
  constructor(cluster, grid, leave) {
    Object.assign(this, { cluster, grid, leave, picked: new Set(), last: null });
    this.start = makeButton(`Pick ${cluster.of ?? "pictures"}`, () => this.begin(), { class: "plain" });
    this.bar = make("div", { class: "picking-bar", role: "group", "aria-label": "What to do with the picked pictures", hidden: true });
    const makeOthers = grid.makeActions;
    grid.makeActions = entry => (this.isOn ? [this.makeBox(entry)] : makeOthers(entry));
    grid.element.addEventListener("click", event => this.handleClick(event), true);
    this.bar.addEventListener("keydown", event => { if (event.key === "Escape") this.end(); });
    grid.element.addEventListener("keydown", event => { if (event.key === "Escape" && this.isOn) this.end(); });
  }

  begin() {
    this.isOn = true;
    this.redraw();
    this.bar.hidden = false;
    this.start.hidden = true;
    this.update();
    this.bar.scrollIntoView({ block: "center" });
    this.grid.element.querySelector(".pick")?.focus({ preventScroll: true });
  }

  end() {
    this.isOn = false;
    this.picked.clear();
    this.redraw();
    this.bar.hidden = true;
    this.start.hidden = false;
    this.start.focus();
  }

  redraw() {
    this.grid.element.classList.toggle("picking", this.isOn);
    this.grid.redraw();
  }

  makeBox(entry) {
    return make("input", { type: "checkbox", class: "pick", checked: this.picked.has(entry.id), "aria-label": `Pick ${entry.name}`, "data-item": entry.id });
  }

  // A picture is picked by a click on it or on its box; with Shift also all from the last one on.
  handleClick(event) {
    const cell = this.isOn && event.target.closest(".cell");
    if (!cell) return;
    const box = cell.querySelector(".pick"), entries = this.grid.entries;
    const place = entries.findIndex(entry => entry.id === Number(box.dataset.item));
    const isPicked = event.target === box ? box.checked : !box.checked;
    const [from, to] = event.shiftKey && this.last !== null ? [Math.min(this.last, place), Math.max(this.last, place)] : [place, place];
    for (const entry of entries.slice(from, to + 1)) isPicked ? this.picked.add(entry.id) : this.picked.delete(entry.id);
    this.last = place;
    for (const other of this.grid.element.querySelectorAll(".pick")) other.checked = this.picked.has(Number(other.dataset.item));
    if (event.target !== box) event.preventDefault();
    this.update();
  }

  update() {
    const items = [...this.picked], count = items.length, { cluster, leave } = this;
    const send = body => () => correct(body, leave);
    const makeAction = (label, isPossible, act) => makeButton(label, act, { class: "plain", disabled: !isPossible });
    this.bar.replaceChildren(make("b", { role: "status" }, `${countMembers({ size: count, of: cluster.of })} picked`),
      makeAction("Take out", count && count < cluster.size, send({ kind: "split", clusters: [cluster.id], into: [items] })),
      makeAction("Move to…", count, async () => {
        const chosen = await chooseCluster("Move to which cluster?", cluster);
        if (chosen) await correct({ kind: "move", clusters: [chosen.id], items }, leave);
      }),
      makeAction("Keep together", count > 1, send({ kind: "together", items })),
      makeAction("Keep apart", count === 2, send({ kind: "apart", items })),
      makeButton("Cancel", () => this.end(), { class: "plain" }));
  }
}

// Asks for another cluster of the same level; null if none is chosen.
function chooseCluster(question, cluster) {
  return new Promise((resolve, reject) => {
    getClusters(cluster.level, null, cluster.of).then(({ clusters }) => {
      const others = clusters.filter(other => other.id !== cluster.id);
      const list = make("ul", { class: "choices" });
      const dialog = make("dialog", { class: "choose", "aria-labelledby": "choosing", onclose: () => { dialog.remove(); resolve(null); } });
      const makeChoice = other => make("li", {}, make("button", { type: "button", onclick: () => { resolve(other); dialog.close(); } },
        makePicture(getMemberUrl(other, other.medoid, 160), ""), make("span", { dir: "auto" }, getClusterName(other)), make("small", {}, countMembers(other))));
      const show = words => {
        const matching = others.filter(other => getClusterName(other).toLowerCase().includes(words.trim().toLowerCase()));
        list.replaceChildren(...(matching.length ? matching.slice(0, CHOICES).map(makeChoice) : [make("li", {}, "No cluster has such a name.")]));
      };
      const field = make("input", { type: "search", "aria-label": "Name of the cluster", placeholder: "Name of the cluster", oninput: () => show(field.value) });
      dialog.append(make("h2", { id: "choosing" }, question), field, list, makeButton("Cancel", () => dialog.close(), { class: "plain" }));
      show("");
      document.body.append(dialog);
      dialog.showModal();
    }, reject);
  });
}

// ---- all corrections

export async function showCorrections(stage) {
  const title = make("h1", { tabindex: "-1" }, "Corrections");
  const [{ corrections }, { server }] = await Promise.all([request("/corrections"), getInfo()]);
  const covers = corrections.map(correction => listGroups(correction).flatMap(group => group.slice(0, 3)).slice(0, 6));
  const named = covers.filter((_, place) => !corrections[place].of).flat();
  const items = new Map((await getItems(named)).map(item => [item.id, item]));
  const rows = corrections.map((correction, place) => makeRow(correction, correction.of ? covers[place].map(id => ({ id })) : covers[place].filter(id => items.has(id)).map(id => items.get(id)), server.writable && (() => showCorrections(stage))));
  stage.replaceChildren(make("div", { class: "head" }, title, make("p", { class: "count" }, "What people said of clusters. It outlives new pictures and another model.")),
    rows.length ? make("ul", { class: "corrections" }, ...rows.reverse()) : makeNote("No corrections", make("p", {}, "On the page of a cluster it can be merged with another, hidden, or parted.")));
  return title;
}

// What a correction is about: of a move what was moved, not all of where it went.
const listGroups = ({ kind, groups }) => (kind === "move" ? groups.slice(0, 1) : groups);

function makeRow(correction, items, redraw) {
  const pictures = items.map(item => (correction.of ? makePicture(getPartUrl(item.id, 160), "") : make("a", { href: `#/items/${item.id}` }, makePicture(getThumbnailUrl(item.id, 160), getItemName(item)))));
  const count = listGroups(correction).reduce((sum, group) => sum + group.length, 0);
  return make("li", {}, make("span", { class: "strip" }, ...pictures),
    make("span", { class: "words" }, make("b", {}, SENTENCES[correction.kind]), make("span", { class: "about" }, `${countMembers({ size: count, of: correction.of })} · ${correction.level} · ${formatTime(correction.at)}`),
      correction.exception && make("span", { class: "wrong" }, correction.exception)),
    redraw && makeButton([makeIcon("undo"), "Undo"], async () => {
      try { await undo(correction.decision); await redraw(); } catch (error) { showToast(error.detail ?? error.message); }
    }, { class: "plain" }));
}
