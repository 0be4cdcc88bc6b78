// The query, and how the address holds it:
// #/search?like=item:5&less=item:7~0.5&like=text:snow&said=oslo&where=width+>+500&within=12&group=1&level=fine&scores=1&sure=1

const SIGNS = { like: 1, less: -1 };

// `terms`: what pictures are to look like, weighted. `words`: what is written about them.
export function readQuery(params) {
  const terms = [];
  for (const [name, text] of params) {
    if (!(name in SIGNS)) continue;
    const [, kind, value, weight] = /^(item|text|upload):([^]*?)(?:~([\d.]+))?$/.exec(text) ?? [];
    if (kind) terms.push({ kind, value: kind === "item" ? Number(value) : value, weight: SIGNS[name] * Number(weight ?? 1) });
  }
  return {
    terms,
    words: params.get("said") ?? "",
    where: params.get("where") ?? "",
    within: Number(params.get("within") ?? 0) || null,
    group: params.get("group") === "1",
    level: params.get("level") ?? "medium",
    scores: params.get("scores") === "1",
    sure: params.get("sure") === "1",
  };
}

export function getAddress(query, path = "/search") {
  const params = new URLSearchParams();
  for (const { kind, value, weight } of query.terms) {
    params.append(weight < 0 ? "less" : "like", `${kind}:${value}${Math.abs(weight) === 1 ? "" : `~${Math.abs(weight)}`}`);
  }
  for (const [name, value] of [["said", query.words], ["where", query.where], ["within", query.within]]) if (value) params.set(name, value);
  if (query.group) params.set("group", "1");
  if (query.group && query.level !== "medium") params.set("level", query.level);
  if (query.scores) params.set("scores", "1");
  if (query.sure) params.set("sure", "1");
  const text = String(params);
  return `#${path}${text ? `?${text}` : ""}`;
}

export const emptyQuery = readQuery(new URLSearchParams());

// Whether it looks for something; without, it shows all pictures that meet the filter.
export const isSearch = query => query.terms.length > 0 || query.words !== "";

// The query with a further term, or with another weight of a term that it has.
export function withTerm(query, term) {
  const place = query.terms.findIndex(({ kind, value }) => kind === term.kind && value === term.value);
  return { ...query, terms: place < 0 ? [...query.terms, term] : query.terms.with(place, term) };
}

export const withMoreLike = (query, itemId) => withTerm(query, { kind: "item", value: itemId, weight: 1 });
export const withLessLike = (query, itemId) => withTerm(query, { kind: "item", value: itemId, weight: -1 });

// The body of a search, as the server takes it.
export function buildSearch(query, where, k) {
  const [first] = query.terms;
  const isAlone = query.terms.length === 1 && first.weight > 0;
  const terms = isAlone ? { [first.kind]: first.value } : query.terms.length ? { mix: query.terms.map(({ kind, value, weight }) => ({ [kind]: value, weight })) } : {};
  return {
    ...terms,
    ...(query.words && { query: query.words }),
    ...(where && { where }),
    ...(query.sure && query.terms.length && { at_least: "likely" }),
    ...(query.within && { within: [query.within] }),
    ...(query.group ? { group: true, level: query.level, ...(!query.words && { per_cluster: 8 }) } : { k }),
  };
}
