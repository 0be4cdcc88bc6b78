// What the picture that is kept takes over from its duplicates: shown before, and chosen where they differ.

import { request } from "./api.js";
import { formatNumber, make } from "./dom.js";

const NAMES = { taken_at: "date" };
const RULES = { union: "joined", first: "of the one that is kept", longest: "the longest", earliest: "the earliest", greatest: "the greatest", own: "of the one that is kept", ask: "" };
const ALONE = "one says it";

export class MergePanel {
  // `labels`: how each item is called, by id; `keeps`: those that may be kept.
  constructor(items, keeps, labels) {
    Object.assign(this, { items, keeps, labels, choices: {}, isOn: true, plans: [] });
    this.element = make("section", { class: "merge", "aria-label": "What the one that is kept takes over", hidden: true });
  }

  async load() {
    const groups = this.keeps.map(keep => ({ items: this.items, keep }));
    const { merges } = await request("/duplicates/merges", { method: "POST", json: { groups, merge: Object.keys(this.choices).length ? this.choices : true } });
    this.plans = merges;
    this.draw();
    return this;
  }

  // The keys under which the items do not all say the same.
  get rows() {
    const [first] = this.plans;
    const differing = (first?.values ?? []).filter(({ values }) => values.length < this.items.length || values.some(({ value }) => !isSame(value, values[0].value)));
    return differing.sort((a, b) => this.isChoice(b) - this.isChoice(a));
  }

  isChoice(row) { return row.is_open || row.key in this.choices; }

  get open() { return this.rows.filter(row => row.is_open); }

  // What a decision sends: whether, and by which choices, the one that is kept takes over what the others say.
  get rules() { return this.isOn && this.rows.length > 0 && (Object.keys(this.choices).length ? this.choices : true); }

  // Focuses the first choice that is yet to be made; false if there is none.
  askForChoice() {
    if (!this.isOn || !this.open.length) return false;
    this.element.querySelector("fieldset:not(.chosen) input")?.focus();
    return true;
  }

  draw() {
    const rows = this.rows;
    this.element.hidden = !rows.length;
    const box = make("input", { type: "checkbox", checked: this.isOn, onchange: event => { this.isOn = event.target.checked; this.draw(); this.element.querySelector("input").focus(); } });
    const list = this.isOn && make("div", { class: "merged" }, ...rows.map(row => this.makeRow(row)));
    this.element.replaceChildren(make("label", { class: "toggle" }, box, "The one that is kept takes over what the other says"), list || "");
  }

  makeRow(row) {
    const results = this.plans.map(plan => plan.values.find(value => value.key === row.key));
    const isChoice = this.isChoice(row);
    const says = row.values.map(({ item, value }) => this.makeValue(row, item, value, isChoice));
    const isSettled = results.every(result => isSame(result.after, results[0].after));
    const result = row.is_open ? make("span", { class: "open" }, "choose one") : isSettled ? formatValue(results[0].after) : make("span", { class: "quiet" }, "what the one that is kept says");
    const rule = row.values.length === 1 && isSettled ? ALONE : isSettled ? RULES[row.rule] ?? "chosen" : "";
    const name = NAMES[row.key] ?? row.key.replace(/^metadata\./, "");
    return make(isChoice ? "fieldset" : "div", { class: `row${row.is_open ? "" : " chosen"}` }, make(isChoice ? "legend" : "b", { class: "name" }, name), make("ul", { class: "says" }, ...says), make("p", { class: "result" }, result, rule && make("small", {}, rule)));
  }

  makeValue(row, itemId, value, isChoice) {
    const words = [make("small", { class: "clip" }, this.labels.get(itemId)), make("span", {}, formatValue(value))];
    if (!isChoice) return make("li", {}, ...words);
    const choose = () => { this.choices[row.key] = itemId; this.load().then(() => this.element.querySelector(`input[name="${CSS.escape(`merge ${row.key}`)}"]:checked`)?.focus()); };
    return make("li", {}, make("label", {}, make("input", { type: "radio", name: `merge ${row.key}`, checked: this.choices[row.key] === itemId, onchange: choose }), ...words));
  }
}

const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);

function formatValue(value) {
  if (value === null || value === undefined) return "nothing";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return formatNumber(value);
  if (Array.isArray(value)) return value.map(formatValue).join(", ");
  if (typeof value === "object") return Object.values(value).map(formatValue).join(", ");
  return /^\d{4}-\d\d-\d\dT\d\d:/.test(value) ? value.replace("T", " ") : value;
}
