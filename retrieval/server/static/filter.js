// Filters: the server's grammar as JSON, or plainly: width >= 500 and format = PNG and place contains Oslo

import { formatNumber, make, makeButton, makeIcon } from "./dom.js";

const OPERATORS = { "=": "$eq", "!=": "$ne", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte", contains: "$contains" };
const TEXT_FIELDS = new Set(["key", "uri", "hash", "format", "text", "taken_at", "added_at"]);
const CONDITION = /^([\p{L}_][\p{L}\p{N}_.-]*)\s*(!=|<=|>=|=|<|>|\s+contains\s+)\s*(\S[^]*)$/u;
const MAX_SUGGESTIONS = 12;

// Returns the filter as the server takes it, null for an empty one. Throws an Error with a sentence.
export function parseFilter(text) {
  const trimmed = text.trim();
  if (!trimmed) return null;
  if (!trimmed.startsWith("{")) return combineConditions(splitConditions(trimmed).map(parseCondition));
  try { return JSON.parse(trimmed); } catch (error) { throw new Error(`This is not JSON: ${error.message}`); }
}

// Splits at every "and" that is outside quotes.
export function splitConditions(text) {
  if (text.trim().startsWith("{")) return [text.trim()];
  return (text.match(/(?:"[^"]*"|[^])+?(?=\s+and\s+(?=(?:[^"]*"[^"]*")*[^"]*$)|$)/giu) ?? []).map(part => part.replace(/^\s*and\s+/i, "").trim()).filter(Boolean);
}

function parseCondition(text) {
  const [, key, operator, value] = CONDITION.exec(text) ?? [];
  if (!key) throw new Error(`“${text}” is not a condition. Write for example: width >= 500 and format = PNG, or place contains Oslo.`);
  return [key, OPERATORS[operator.trim()], parseValue(key, value.trim())];
}

function parseValue(key, text) {
  const quoted = /^"([^"]*)"$/.exec(text);
  if (quoted) return quoted[1];
  if (["true", "false", "null"].includes(text)) return JSON.parse(text);
  return !TEXT_FIELDS.has(key) && /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

function combineConditions(conditions) {
  const filters = conditions.map(([key, operator, value]) => ({ [key]: operator === "$eq" ? value : { [operator]: value } }));
  return filters.length === 1 ? filters[0] : { $and: filters };
}

// Quotes a value where it would be read as something else.
const formatValue = value => (typeof value === "string" && (/[^\p{L}\p{N}_ .:/-]|\band\b/iu.test(value) || value.trim() !== value || /^(-?\d|true$|false$|null$)/.test(value)) ? `"${value.replaceAll('"', "")}"` : String(value));

// The filter with one more condition.
export function addCondition(text, condition) {
  if (!text.trim().startsWith("{")) return text.trim() ? `${text.trim()} and ${condition}` : condition;
  return JSON.stringify({ $and: [JSON.parse(text), parseFilter(condition)] });
}

// Conditions that some of these items meet, and not all: what is worth a click.
export function suggestConditions(items) {
  const counts = new Map();
  const count = (label, text) => {
    const suggestion = counts.get(text) ?? { label, text, count: 0 };
    suggestion.count += 1;
    counts.set(text, suggestion);
  };
  for (const item of items) {
    if (item.format) count(item.format, `format = ${formatValue(item.format)}`);
    const year = item.taken_at?.slice(0, 4);
    if (year) count(`taken ${year}`, `taken_at contains ${formatValue(`${year}-`)}`);
    for (const [key, value] of Object.entries(item.metadata)) {
      if (["string", "number", "boolean"].includes(typeof value) && String(value).length <= 40 && /^[\p{L}_][\p{L}\p{N}_.-]*$/u.test(key)) {
        count(`${key}: ${value}`, `${key} = ${formatValue(value)}`);
      }
    }
  }
  const suggestions = [...counts.values()].filter(suggestion => suggestion.count > 1 && suggestion.count < items.length);
  return suggestions.sort((a, b) => b.count - a.count).slice(0, MAX_SUGGESTIONS);
}

// The panel: a field, what is wrong with it, and suggestions. Calls `onApply` with the new text. Its methods: `suggest(items)`, `refuse(sentence)`.
export function makeFilterPanel(text, onApply) {
  const field = make("input", { type: "text", id: "where", value: text, spellcheck: "false", autocomplete: "off", placeholder: "width >= 500 and format = PNG", "aria-describedby": "where-help where-wrong" });
  const wrong = make("p", { class: "wrong", id: "where-wrong" });
  const chips = make("div", { class: "chips", role: "group", "aria-label": "Suggested filters" });
  const refuse = sentence => {
    wrong.textContent = sentence;
    field.toggleAttribute("aria-invalid", Boolean(sentence));
    if (sentence) field.setAttribute("aria-invalid", "true");
  };
  const apply = newText => {
    try { parseFilter(newText); } catch (error) { refuse(error.message); field.focus(); return; }
    onApply(newText);
  };
  const form = make("form", { class: "filter", onsubmit: event => { event.preventDefault(); apply(field.value.trim()); } },
    make("label", { for: "where" }, "Only pictures where"), field, make("button", { type: "submit", class: "plain" }, "Filter"),
    make("p", { class: "help", id: "where-help" }, "Any metadata key, or: id, key, uri, width, height, format, bytes, text, taken_at, added_at, missing. JSON works too: ", make("code", {}, '{"year": {"$gte": 2020}}')),
    wrong, chips);
  form.suggest = items => {
    const used = new Set(splitConditions(text));
    chips.replaceChildren(...suggestConditions(items).filter(suggestion => !used.has(suggestion.text)).map(suggestion =>
      makeButton([suggestion.label, make("small", {}, formatNumber(suggestion.count))], () => apply(addCondition(text, suggestion.text)), { class: "chip" })));
  };
  form.refuse = refuse;
  return form;
}

// A chip for each condition of the filter, with a button that removes it.
export function makeConditionChips(text, onApply) {
  const conditions = splitConditions(text);
  const remove = place => onApply(conditions.toSpliced(place, 1).join(" and "));
  return conditions.map((condition, place) => make("span", { class: "chip on" }, make("span", { class: "clip" }, condition),
    makeButton(makeIcon("close"), () => remove(place), { class: "tiny", "aria-label": `Remove the filter ${condition}` })));
}
