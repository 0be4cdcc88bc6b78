// What is learned: a strip of pictures, each of which is answered with yes or no, by keyboard or by hand.

import { getInfo, request } from "./api.js";
import { announce, formatCount, getItemName, getThumbnailUrl, make, makeButton, makeError, makeIcon, makeNote, makePicture, makeSpinner, showToast } from "./dom.js";

const SHOWN = 12;
const AHEAD = 4;

let strip = null; // of the view that is shown

export function leave() { strip = null; }

// Y: yes, N: no, U: undo; S: skip.
export function handleKey(event) {
  const act = { y: () => strip?.answer(true), n: () => strip?.answer(false), s: () => strip?.skip(), u: () => strip?.takeBack() }[event.key.toLowerCase()];
  if (!act || event.target.matches("input, select, textarea")) return;
  event.preventDefault();
  act();
}

export async function show(stage, params) {
  const name = params.get("name");
  return name ? showLesson(stage, name, params) : showLessons(stage);
}

async function showLessons(stage) {
  const title = make("h1", { tabindex: "-1" }, "Learning");
  const place = make("section", { "aria-label": "What is learned" }, makeSpinner("Looking at what is learned…"));
  stage.replaceChildren(make("div", { class: "head" }, title), make("p", { class: "quiet" }, "What a few pictures show can be looked for in all: each suggestion is answered with yes or no, and the answers are learned from."), place);
  const [{ lessons }, { server }] = await Promise.all([request("/lessons"), getInfo()]);
  const rows = lessons.map(lesson => make("li", {}, make("a", { href: getLessonUrl(lesson.name) }, make("b", { dir: "auto" }, lesson.name), make("small", {}, describe(lesson)))));
  const list = rows.length ? make("ul", { class: "lessons" }, ...rows) : makeNote("Nothing is learned yet", make("p", {}, "Name a cluster, and let the same be found among all pictures; or tell the values of a metadata key apart."));
  place.replaceChildren(list, server.writable ? makeForm() : "");
  return title;
}

const getLessonUrl = name => `#/learn?name=${encodeURIComponent(name)}`;

const describe = lesson => (lesson.labels ? `right in ${Math.round(100 * lesson.accuracy)} % of ${formatCount(lesson.labels, "label")}` : lesson.note);

function makeForm() {
  const name = make("input", { id: "lesson-name", required: true, maxlength: 200, autocomplete: "off" });
  const labels = make("input", { id: "lesson-labels", maxlength: 200, autocomplete: "off" });
  const learn = async event => {
    event.preventDefault();
    try {
      await request("/lessons", { method: "POST", json: { name: name.value, ...(labels.value ? { labels: labels.value } : {}) } });
      location.hash = getLessonUrl(name.value);
    } catch (error) { showToast(error.detail ?? error.message); }
  };
  return make("form", { class: "lesson", onsubmit: learn },
    make("label", { for: "lesson-name" }, "Name of a cluster, or of what is to be learned"), name,
    make("label", { for: "lesson-labels" }, "Where its labels are: a metadata key, a level, or “folder”; empty for a cluster’s name"), labels,
    make("button", { type: "submit", class: "plain main" }, "Learn"));
}

async function showLesson(stage, name, params) {
  const title = make("h1", { tabindex: "-1" }, `Is it ${name}?`);
  const count = make("p", { class: "count", role: "status" });
  const place = make("section", { "aria-label": "Pictures to answer" }, makeSpinner("Learning…"));
  const teaching = params.get("ask") === "most";
  const modes = make("p", { class: "buttons" },
    make("a", { class: "plain", href: getLessonUrl(name), "aria-current": teaching ? null : "true" }, "The surest"),
    make("a", { class: "plain", href: `${getLessonUrl(name)}&ask=most`, "aria-current": teaching ? "true" : null }, "Those that teach most"));
  stage.replaceChildren(make("div", { class: "head" }, title, count), modes, place);
  const { server } = await getInfo();
  strip = new Strip(name, teaching, place, count, server.writable);
  await strip.load();
  return title;
}

class Strip {
  constructor(name, teaching, place, count, writable) {
    Object.assign(this, { name, teaching, place, count, writable, rows: [], decisions: [], skipped: new Set(), busy: false });
  }

  async load() {
    try {
      const answer = await request(`/suggestions?lesson=${encodeURIComponent(this.name)}&k=${SHOWN + this.skipped.size}`);
      this.rows = (this.teaching ? answer.questions : answer.suggestions).filter(row => !this.skipped.has(row.hit.item));
      this.count.textContent = `${formatCount(answer.total, "suggestion")}`;
      this.draw();
    } catch (error) {
      this.place.replaceChildren(makeError(error, () => this.load()));
    }
  }

  draw() {
    const [first, ...rest] = this.rows;
    const undo = makeButton([makeIcon("undo"), "Undo (U)"], () => this.takeBack(), { class: "plain", disabled: !this.decisions.length });
    if (!first) {
      this.place.replaceChildren(makeNote("Nothing is left to ask", make("p", {}, "Every picture has an answer.")), make("p", { class: "buttons" }, undo));
      return;
    }
    const word = first.value === "yes" ? "Yes (Y)" : `${first.value} (Y)`;
    const buttons = this.writable ? make("p", { class: "buttons" },
      makeButton(word, () => this.answer(true), { class: "plain main" }), makeButton("No (N)", () => this.answer(false), { class: "plain" }),
      makeButton("Skip (S)", () => this.skip(), { class: "plain" }), undo) : make("p", {}, "This server is for reading: answers need its other token.");
    const name = getItemName(first.hit);
    this.place.replaceChildren(
      make("figure", { class: "asked" }, make("a", { href: `#/items/${first.hit.item}`, "aria-label": `${name}: details` }, makePicture(getThumbnailUrl(first.hit.item, 320), name)),
        make("figcaption", {}, `${name}: ${first.value}, ${Math.round(100 * first.confidence)} % sure`)),
      buttons,
      make("ul", { class: "ahead", "aria-label": "Next" }, ...rest.slice(0, AHEAD).map(row => make("li", {}, makePicture(getThumbnailUrl(row.hit.item, 160), getItemName(row.hit))))));
  }

  async answer(accepted) {
    const [row] = this.rows;
    if (!row || this.busy || !this.writable) return;
    this.busy = true;
    try {
      const json = { lesson: this.name, items: [row.hit.item], accepted, value: row.value };
      const { decisions } = await request("/labels", { method: "POST", json });
      this.decisions.push({ decision: decisions[0], row });
      announce(`${getItemName(row.hit)}: ${accepted ? "yes" : "no"}`);
      await this.advance();
    } catch (error) { showToast(error.detail ?? error.message); }
    this.busy = false;
  }

  async skip() {
    if (!this.rows.length || this.busy) return;
    this.skipped.add(this.rows[0].hit.item);
    await this.advance();
  }

  // The next picture; what was answered is learned from as soon as those that are shown are used up.
  async advance() {
    this.rows.shift();
    if (this.rows.length) this.draw();
    else await this.load();
  }

  async takeBack() {
    if (!this.decisions.length || this.busy) return;
    const { decision, row } = this.decisions.pop();
    try {
      await request(`/decisions/${decision}`, { method: "DELETE" });
      this.rows.unshift(row);
      announce("Undone");
      this.draw();
    } catch (error) { showToast(error.detail ?? error.message); }
  }
}
