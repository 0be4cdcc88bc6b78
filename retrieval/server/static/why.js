// Why a picture is a hit: what each term of the query says of it, the words that it holds, the clusters that it shares.

import { getItem, getItems, request } from "./api.js";
import { formatChance, formatScore, getClusterName, getFileName, getItemName, make } from "./dom.js";
import { buildSearch, emptyQuery, isSearch } from "./query.js";

const ask = async (query, id) => (await request("/search", { method: "POST", json: buildSearch({ ...query, group: false, sure: false, within: null }, { id }, 1) })).hits[0];
const makeFact = (key, ...values) => [make("dt", {}, key), make("dd", {}, ...values)];

// Returns a list of facts, null where no query was asked.
export async function makeWhy(query, id) {
  if (!isSearch(query)) return null;
  const item = await getItem(id);
  const facts = await Promise.all(query.terms.map(term => explainTerm(term, item)));
  const total = query.terms.length + Boolean(query.words) > 1 ? await ask(query, id).catch(() => null) : null;
  return make("dl", { class: "facts why" }, ...facts.flat(), ...(query.words ? explainWords(query.words, item) : []), ...(total ? makeFact("Together", formatScore(total.score)) : []));
}

async function explainTerm(term, item) {
  const sign = term.weight < 0 ? "Unlike " : "Like ";
  const name = term.kind === "item" ? getItemName(await getItem(term.value).catch(() => ({ id: term.value }))) : term.kind === "text" ? `“${term.value}”` : "your picture";
  if (term.kind === "item" && term.value === item.id) return makeFact(sign + name, "it is this picture");
  const hit = await ask({ ...emptyQuery, terms: [{ ...term, weight: 1 }] }, item.id).catch(() => null);
  const shared = term.kind === "item" ? await findShared(term.value, item) : null;
  return makeFact(sign + name, hit ? `similarity ${formatScore(hit.score)}` : "not comparable", hit && formatChance(hit) ? make("small", {}, `; ${formatChance(hit)}`) : "",
    shared ? make("span", {}, "; both in ", make("a", { href: `#/clusters/${shared.id}` }, getClusterName(shared))) : "");
}

async function findShared(otherId, item) {
  const [other] = await getItems([otherId]);
  const both = item.clusters.filter(cluster => other?.clusters.includes(cluster)).at(-1); // the finest
  return both === undefined ? null : request(`/clusters/${both}`).catch(() => null);
}

function explainWords(words, item) {
  const places = { text: item.text ?? "", "the file's name": getFileName(item.uri ?? ""), "the picture's own text": item.seen ?? "", metadata: JSON.stringify(item.metadata) };
  const parts = words.toLowerCase().split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  const lines = Object.entries(places).map(([name, text]) => [name, parts.filter(word => text.toLowerCase().includes(word))]).filter(([, found]) => found.length);
  return makeFact(`The words “${words}”`, lines.length ? lines.map(([name, found]) => `${found.join(", ")} in ${name}`).join("; ") : "found by their stems or by likeness");
}
