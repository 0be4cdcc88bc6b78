// Filters: the server's grammar as JSON, or plainly: width >= 500 and format = PNG and place contains Oslo

import { button, drawn, make } from "./dom.js";

const SIGNS = { "=": "$eq", "!=": "$ne", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte", contains: "$contains" };
const TEXTS = new Set(["key", "uri", "hash", "format", "text", "taken_at", "added_at"]);
const TERM = /^([\p{L}_][\p{L}\p{N}_.-]*)\s*(!=|<=|>=|=|<|>|\s+contains\s+)\s*(\S[^]*)$/u;

// -> the filter as the server takes it, null where nothing is asked. Throws a sentence.
export function parse(text) {
  const said = text.trim();
  if (!said) return null;
  if (!said.startsWith("{")) return all(terms(said).map(term));
  try { return JSON.parse(said); } catch (error) { throw new Error(`This is not JSON: ${error.message}`); }
}

// At every "and" that is outside quotes.
export function terms(text) {
  if (text.trim().startsWith("{")) return [text.trim()];
  return (text.match(/(?:"[^"]*"|[^])+?(?=\s+and\s+(?=(?:[^"]*"[^"]*")*[^"]*$)|$)/giu) ?? []).map(one => one.replace(/^\s*and\s+/i, "").trim()).filter(Boolean);
}

function term(text) {
  const [, key, sign, value] = TERM.exec(text) ?? [];
  if (!key) throw new Error(`“${text}” is no condition. Write for example: width >= 500 and format = PNG, or place contains Oslo.`);
  return [key, SIGNS[sign.trim()], meant(key, value.trim())];
}

function meant(key, value) {
  const quoted = /^"([^"]*)"$/.exec(value);
  if (quoted) return quoted[1];
  if (["true", "false", "null"].includes(value)) return JSON.parse(value);
  return !TEXTS.has(key) && /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value;
}

function all(conditions) {
  const found = conditions.map(([key, sign, value]) => ({ [key]: sign === "$eq" ? value : { [sign]: value } }));
  return found.length === 1 ? found[0] : { $and: found };
}

const plain = value => (typeof value === "string" && (/[^\p{L}\p{N}_ .:/-]|\band\b/iu.test(value) || value.trim() !== value || /^(-?\d|true$|false$|null$)/.test(value)) ? `"${value.replaceAll('"', "")}"` : String(value));

// The filter with one more condition.
export function joined(text, more) {
  if (!text.trim().startsWith("{")) return text.trim() ? `${text.trim()} and ${more}` : more;
  return JSON.stringify({ $and: [JSON.parse(text), parse(more)] });
}

// Conditions that some of these items meet, and not all: what is worth a click.
export function offered(items) {
  const counts = new Map();
  const count = (label, text) => {
    const known = counts.get(text) ?? { label, text, count: 0 };
    known.count += 1;
    counts.set(text, known);
  };
  for (const item of items) {
    if (item.format) count(item.format, `format = ${plain(item.format)}`);
    const year = item.taken_at?.slice(0, 4);
    if (year) count(`taken ${year}`, `taken_at contains ${plain(`${year}-`)}`);
    for (const [key, value] of Object.entries(item.metadata)) {
      if (["string", "number", "boolean"].includes(typeof value) && String(value).length <= 40 && /^[\p{L}_][\p{L}\p{N}_.-]*$/u.test(key)) {
        count(`${key}: ${value}`, `${key} = ${plain(value)}`);
      }
    }
  }
  const some = [...counts.values()].filter(one => one.count > 1 && one.count < items.length);
  return some.sort((a, b) => b.count - a.count).slice(0, 12);
}

// The panel: a field, what is wrong with it, and ready-made conditions. `go`: called with the new text.
export function panel(text, go) {
  const field = make("input", { type: "text", id: "where", value: text, spellcheck: "false", autocomplete: "off", placeholder: "width >= 500 and format = PNG", "aria-describedby": "where-help where-wrong" });
  const wrong = make("p", { class: "wrong", id: "where-wrong" });
  const offers = make("div", { class: "chips", role: "group", "aria-label": "Ready-made filters" });
  const refuse = sentence => {
    wrong.textContent = sentence;
    field.toggleAttribute("aria-invalid", Boolean(sentence));
    if (sentence) field.setAttribute("aria-invalid", "true");
  };
  const apply = said => {
    try { parse(said); } catch (error) { refuse(error.message); field.focus(); return; }
    go(said);
  };
  const form = make("form", { class: "filter", onsubmit: event => { event.preventDefault(); apply(field.value.trim()); } },
    make("label", { for: "where" }, "Only pictures where"), field, make("button", { type: "submit", class: "plain" }, "Filter"),
    make("p", { class: "help", id: "where-help" }, "Any metadata key, or: id, key, uri, width, height, format, bytes, text, taken_at, added_at, missing. JSON works too: ", make("code", {}, '{"year": {"$gte": 2020}}')),
    wrong, offers);
  form.offer = items => {
    const used = new Set(terms(text));
    offers.replaceChildren(...offered(items).filter(one => !used.has(one.text)).map(one =>
      button([one.label, make("small", {}, one.count.toLocaleString("en"))], () => apply(joined(text, one.text)), { class: "chip" })));
  };
  form.refuse = refuse;
  return form;
}

export function applied(text, go) {
  const said = terms(text);
  return said.map((one, place) => make("span", { class: "chip on" }, make("span", { class: "clip" }, one),
    button(drawn("close"), () => go(said.filter((_, other) => other !== place).join(" and ")), { class: "tiny", "aria-label": `Remove the filter ${one}` })));
}
