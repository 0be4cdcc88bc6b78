// The REST interface as the OpenAPI document describes it: operations by topic, then schemas.

import { getUrl, onTokenNeeded, request, signInFromAddress } from "./api.js";
import { make, makeError, makeSpinner } from "./dom.js";
import { signInByHand } from "./signin.js";

const main = document.getElementById("main");
const getSchemaName = reference => reference.split("/").at(-1);

// ---- schemas

// A type in a few words, with a link for each named schema.
function describeType(schema) {
  if (schema.$ref) return [make("a", { href: `#schema-${getSchemaName(schema.$ref)}` }, getSchemaName(schema.$ref))];
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.flatMap((choice, place) => [place ? " or " : "", ...describeType(choice)]);
  if (schema.enum) return [schema.enum.map(value => JSON.stringify(value)).join(", ")];
  if (schema.const !== undefined) return [JSON.stringify(schema.const)];
  if (schema.type === "array") return ["list of ", ...describeType(schema.items ?? {})];
  return [schema.format === "binary" || schema.contentMediaType ? "file" : schema.type ?? "any"];
}

function describeDefault(schema, required) {
  if (required) return "required";
  return schema.default === undefined || schema.default === null ? "" : `default ${JSON.stringify(schema.default)}`;
}

function makeTable(heading, rows) {
  const head = make("tr", {}, ...[heading, "Type", "Description"].map(text => make("th", { scope: "col" }, text)));
  const body = rows.map(({ name, schema, required, description, note }) => make("tr", {}, make("th", { scope: "row" }, name),
    make("td", {}, ...describeType(schema), ...[note, describeDefault(schema, required)].filter(Boolean).map(text => make("small", {}, ` · ${text}`))), make("td", {}, description ?? "")));
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...body));
}

function listProperties(schema) {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {}).map(([name, property]) => ({ name, schema: property, required: required.has(name), description: property.description }));
}

function makeSchemaBox(name, schema) {
  return make("details", { id: `schema-${name}` }, make("summary", {}, make("span", { class: "route" }, name)),
    make("div", { class: "details" }, schema.description && make("p", {}, schema.description), makeTable("Field", listProperties(schema))));
}

// ---- operations

const resolveSchema = (schema, schemas) => (schema?.$ref ? schemas[getSchemaName(schema.$ref)] : schema) ?? {};

function readBody(operation, schemas) {
  const [[type, content] = []] = Object.entries(operation.requestBody?.content ?? {});
  if (!type) return null;
  const schema = resolveSchema(content.schema, schemas);
  return { type, schema, example: content.example ?? schema.examples?.[0] };
}

// The operation as a line for a shell.
function formatCurl(path, method, operation, body) {
  const query = (operation.parameters ?? []).filter(parameter => parameter.in === "query" && parameter.required).map(({ name }) => `${name}=${name.toUpperCase()}`).join("&");
  const words = ["curl", ...(method === "get" ? [] : ["-X", method.toUpperCase()]), `'${getUrl("/").slice(0, -1)}${path}${query && `?${query}`}'`];
  if ((operation.parameters ?? []).some(({ name }) => name === "X-Nearkin")) words.push("-H 'X-Nearkin: curl'");
  if (body?.type === "application/json") words.push("-H 'Content-Type: application/json'", `-d '${JSON.stringify(body.example)}'`);
  else if (body) {
    for (const [name, value] of Object.entries(body.example ?? {})) {
      const isFile = body.schema.properties?.[name]?.format === "binary" || describeType(body.schema.properties?.[name] ?? {}).includes("file");
      for (const part of [value].flat()) words.push(`-F '${name}=${isFile ? "@" : ""}${part}'`);
    }
  }
  return words.join(" ");
}

function makeResponsesTable(operation) {
  const rows = Object.entries(operation.responses).map(([code, response]) => {
    const [[type, content] = []] = Object.entries(response.content ?? {});
    const schema = content?.schema ?? {};
    return { name: code, schema: type && !schema.$ref ? { type } : type ? schema : { type: "no body" }, description: response.description };
  });
  return makeTable("Status", rows);
}

// An answer as it may look, where all goes well and it is JSON.
function makeExample(operation) {
  const [, response] = Object.entries(operation.responses).find(([code]) => code.startsWith("2")) ?? [];
  const example = response?.content?.["application/json"]?.example;
  return example && make("details", {}, make("summary", {}, "Example"), make("pre", {}, JSON.stringify(example, null, 2)));
}

function makeOperationBox(path, method, operation, schemas) {
  const body = readBody(operation, schemas);
  const parameters = (operation.parameters ?? []).map(parameter => ({ ...parameter, note: `in ${parameter.in}` }));
  return make("details", { id: operation.operationId },
    make("summary", {}, make("span", { class: "method" }, method.toUpperCase()), make("span", { class: "route" }, path), make("small", {}, operation.summary)),
    make("div", { class: "details" }, make("p", {}, operation.description), make("pre", {}, formatCurl(path, method, operation, body)),
      parameters.length > 0 && [make("h3", {}, "Parameters"), makeTable("Name", parameters)],
      body && [make("h3", {}, `Body, ${body.type}`), makeTable("Field", listProperties(body.schema)), body.type === "application/json" && make("pre", {}, JSON.stringify(body.example, null, 2))],
      make("h3", {}, "Responses"), makeResponsesTable(operation), makeExample(operation)));
}

// ---- the page

function draw(openapi) {
  const { schemas } = openapi.components, topics = new Map();
  for (const [path, methods] of Object.entries(openapi.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const [topic] = operation.tags;
      topics.set(topic, [...(topics.get(topic) ?? []), makeOperationBox(path, method, operation, schemas)]);
    }
  }
  const about = new Map(openapi.tags.map(({ name, description }) => [name, description]));
  topics.set("schemas", Object.entries(schemas).map(([name, schema]) => makeSchemaBox(name, schema)));
  document.getElementById("topics").replaceChildren(...[...topics.keys()].map(topic => make("a", { href: `#topic-${topic}` }, topic)));
  main.replaceChildren(make("h1", {}, `REST interface, version ${openapi.info.version}`), make("p", {}, openapi.info.description),
    make("p", {}, "Requests that change something need the header ", make("code", {}, "X-Nearkin"), " with any value or, where the server was started with tokens, ",
      make("code", {}, "Authorization: Bearer TOKEN"), ". The whole document: ", make("a", { href: getUrl("/v1/openapi.json") }, "/v1/openapi.json"), "."),
    ...[...topics].map(([topic, boxes]) => make("section", { id: `topic-${topic}`, "aria-labelledby": `title-${topic}` }, make("h2", { id: `title-${topic}` }, topic), about.has(topic) && make("p", {}, about.get(topic)), ...boxes)));
}

// Opens what the address names.
function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.tagName === "DETAILS") target.open = true;
  target.scrollIntoView();
}

async function begin() {
  onTokenNeeded(signInByHand);
  await signInFromAddress();
  main.replaceChildren(makeSpinner("Loading…"));
  try {
    draw(await request("/openapi.json"));
    openTarget();
  } catch (error) {
    main.replaceChildren(makeError(error, begin));
  }
}

addEventListener("hashchange", openTarget);
begin();
