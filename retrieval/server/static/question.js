// What is asked, and how the address says it:
// #/search?like=item:5&less=item:7~0.5&like=text:snow&said=oslo&where=width+>+500&within=12&group=1&level=fine&scores=1

const SIGNS = { like: 1, less: -1 };

export function read(params) {
  const parts = [];
  for (const [name, value] of params) {
    if (!(name in SIGNS)) continue;
    const [, kind, what, weight] = /^(item|text|upload):([^]*?)(?:~([\d.]+))?$/.exec(value) ?? [];
    if (kind) parts.push({ kind, value: kind === "item" ? Number(what) : what, weight: SIGNS[name] * Number(weight ?? 1) });
  }
  return {
    parts,
    said: params.get("said") ?? "",
    where: params.get("where") ?? "",
    within: Number(params.get("within") ?? 0) || null,
    group: params.get("group") === "1",
    level: params.get("level") ?? "medium",
    scores: params.get("scores") === "1",
  };
}

export function address(question, path = "/search") {
  const params = new URLSearchParams();
  for (const { kind, value, weight } of question.parts) {
    params.append(weight < 0 ? "less" : "like", `${kind}:${value}${Math.abs(weight) === 1 ? "" : `~${Math.abs(weight)}`}`);
  }
  for (const name of ["said", "where", "within"]) if (question[name]) params.set(name, question[name]);
  if (question.group) params.set("group", "1");
  if (question.group && question.level !== "medium") params.set("level", question.level);
  if (question.scores) params.set("scores", "1");
  const said = String(params);
  return `#${path}${said ? `?${said}` : ""}`;
}

export const empty = read(new URLSearchParams());

export const asked = question => question.parts.length > 0 || question.said !== "";

// The question with one more part, or with another weight of one that it has.
export function plus(question, part) {
  const at = question.parts.findIndex(one => one.kind === part.kind && one.value === part.value);
  return { ...question, parts: at < 0 ? [...question.parts, part] : question.parts.with(at, part) };
}

export const more = (question, id) => plus(question, { kind: "item", value: id, weight: 1 });
export const less = (question, id) => plus(question, { kind: "item", value: id, weight: -1 });

// As the server takes it.
export function body(question, where, k) {
  const [only] = question.parts;
  const alone = question.parts.length === 1 && only.weight > 0;
  const what = alone ? { [only.kind]: only.value } : question.parts.length ? { mix: question.parts.map(({ kind, value, weight }) => ({ [kind]: value, weight })) } : {};
  return {
    ...what,
    ...(question.said && { query: question.said }),
    ...(where && { where }),
    ...(question.within && { within: [question.within] }),
    ...(question.group ? { group: true, level: question.level, ...(!question.said && { per_cluster: 8 }) } : { k }),
  };
}
