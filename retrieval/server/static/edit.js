// Forms that change what is said of pictures: tags, albums, rating, favourite, caption and keys of one's own.

import { forgetAnswers, rememberItems, request } from "./api.js";
import { announce, make, makeButton, showToast } from "./dom.js";

const RATINGS = ["0", "1", "2", "3", "4", "5"];
const splitList = text => [...new Set(text.split(",").map(part => part.trim()).filter(Boolean))];
const join = value => (Array.isArray(value) ? value.filter(part => typeof part === "string").join(", ") : typeof value === "string" ? value : "");

// A value as JSON, such as 2024, true or ["a"], or else as the text that it is.
function readValue(text) {
  try { return JSON.parse(text); } catch { return text; }
}

const makeField = (label, input, help) => make("label", { class: "field" }, make("span", {}, label), input, help && make("small", { class: "quiet" }, help));
const makeText = (name, value = "") => make("input", { name, value, autocomplete: "off", spellcheck: "false", maxlength: "2000", dir: "auto" });

function makeChoice(name, choices, value) {
  return make("select", { name }, ...choices.map(([key, text]) => make("option", { value: key, selected: key === value }, text)));
}

// Asks what to change of several pictures. Resolves to the body of a request, null if nothing is to be changed.
export function askForChanges(count) {
  return new Promise(resolve => {
    const unchanged = ["", "unchanged"];
    const form = make("form", { class: "edit", method: "dialog" },
      make("h2", {}, `Change ${count}`),
      makeField("Add tags", makeText("gained"), "Separated by commas"), makeField("Take off tags", makeText("lost")), makeField("Add to albums", makeText("albums")),
      makeField("Rating", makeChoice("rating", [unchanged, ...RATINGS.map(number => [number, `${number} of 5`])], "")),
      makeField("Favourite", makeChoice("favourite", [unchanged, ["true", "yes"], ["false", "no"]], "")),
      makeField("Another key", makeText("key")), makeField("Its value", makeText("value"), "A number, true, false, a list such as [\"a\"], or text"),
      make("p", { class: "buttons" }, make("button", { class: "plain main", value: "change" }, "Change"), make("button", { class: "plain", value: "", formnovalidate: true }, "Cancel")));
    const dialog = make("dialog", { class: "choose", "aria-label": `Change ${count}` }, form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "change" ? buildChanges(new FormData(form)) : null);
    });
    document.body.append(dialog);
    dialog.showModal();
    form.elements.gained.focus();
  });
}

function buildChanges(data) {
  const read = name => String(data.get(name) ?? "").trim();
  const gained = splitList(read("gained")), lost = splitList(read("lost")), albums = splitList(read("albums"));
  const metadata = {
    ...(read("rating") && { rating: Number(read("rating")) }), ...(read("favourite") && { favourite: read("favourite") === "true" }),
    ...(read("key") && { [read("key")]: readValue(read("value")) }),
  };
  const extend = { ...(gained.length && { tags: gained }), ...(albums.length && { albums }) };
  const reduce = lost.length ? { tags: lost } : {};
  return [metadata, extend, reduce].some(part => Object.keys(part).length) ? { metadata, extend, reduce } : null;
}

// A form for what is said of one picture; `onSaved` is called with the item as it is then.
export function makeEditor(item, onSaved) {
  const { metadata } = item;
  const favourite = make("input", { type: "checkbox", name: "favourite", checked: metadata.favourite === true });
  const form = make("form", { class: "edit", "aria-label": "Change what is said of this picture" },
    makeField("Caption", makeText("caption", join(metadata.caption))), makeField("Tags", makeText("tags", join(metadata.tags)), "Separated by commas"), makeField("Albums", makeText("albums", join(metadata.albums))),
    makeField("Rating", makeChoice("rating", [["", "none"], ...RATINGS.map(number => [number, `${number} of 5`])], String(metadata.rating ?? ""))),
    make("label", { class: "check" }, favourite, "Favourite"),
    makeField("Another key", makeText("key")), makeField("Its value", makeText("value"), "A number, true, false, a list such as [\"a\"], or text"),
    make("p", { class: "buttons" }, make("button", { class: "plain main" }, "Save")));
  form.addEventListener("submit", async event => {
    event.preventDefault();
    const data = new FormData(form), read = name => String(data.get(name) ?? "").trim();
    const changes = {};
    const set = (key, value, isEmpty) => { if (!isEmpty || key in metadata) changes[key] = isEmpty ? null : value; };
    for (const key of ["tags", "albums"]) set(key, splitList(read(key)), !read(key));
    set("caption", read("caption"), !read("caption"));
    set("rating", Number(read("rating")), !read("rating"));
    if (favourite.checked || "favourite" in metadata) changes.favourite = favourite.checked;
    if (read("key")) changes[read("key")] = readValue(read("value"));
    try {
      const [saved] = rememberItems([await request(`/items/${item.id}`, { method: "PATCH", json: { metadata: changes } })]);
      forgetAnswers();
      announce("Saved");
      onSaved(saved);
    } catch (error) { showToast(error.detail ?? error.message); }
  });
  return form;
}

export const makeEditButton = (item, place, onSaved) => makeButton("Edit", event => {
  const button = event.currentTarget;
  const isOpen = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!isOpen));
  place.replaceChildren(...(isOpen ? [] : [makeEditor(item, saved => { place.replaceChildren(); onSaved(saved); })]));
  place.querySelector("input")?.focus();
}, { class: "plain", "aria-expanded": "false" });
