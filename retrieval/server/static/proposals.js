// What programs propose. Nothing comes of it until a person accepts it here, or with the command line.

import { forgetAnswers, getInfo, getItems, request } from "./api.js";
import { announce, formatCount, formatTime, getClusterName, getItemName, getThumbnailUrl, make, makeButton, makeNote, makePicture, showToast } from "./dom.js";

const SHOWN = 6;
const SENTENCES = {
  keep: "Keep the first picture of these duplicates", "not duplicates": "These are not duplicates", "keep both": "Keep both of these duplicates",
  merge: "Merge two clusters", move: "Move pictures to a cluster", together: "Keep pictures in one cluster", apart: "Keep two pictures in different clusters",
  hide: "Hide a cluster", rename: "Rename a cluster", metadata: "Change metadata", remove: "Remove pictures to the bin",
};

export async function showProposals(stage) {
  const title = make("h1", { tabindex: "-1" }, "Proposals");
  const [{ proposals }, { server: { writable } }] = await Promise.all([request("/proposals"), getInfo()]);
  const explanation = make("p", { class: "count" }, "What programs suggest. Nothing is changed until you accept it.");
  const list = make("ul", { class: "corrections", "aria-label": "Proposals" });
  const empty = makeNote("No proposals", make("p", {}, "Programs that ask this collection by ", make("code", {}, "nearkin mcp"), " may propose changes; they wait here for your decision."));
  const update = () => { if (!list.children.length) list.replaceWith(empty); };
  list.append(...await Promise.all(proposals.map(proposal => makeRow(proposal, writable, update))));
  stage.replaceChildren(make("div", { class: "head" }, title), explanation, list);
  update();
  return title;
}

async function makeRow(proposal, writable, update) {
  const items = (await getItems(proposal.items.slice(0, SHOWN)));
  const clusters = await Promise.all(proposal.clusters.map(id => request(`/clusters/${id}`).catch(() => null)));
  const pictures = items.map(item => make("a", { href: `#/items/${item.id}` }, makePicture(getThumbnailUrl(item.id, 160), getItemName(item))));
  const names = clusters.filter(Boolean).map(cluster => make("a", { href: `#/clusters/${cluster.id}`, class: "clip", dir: "auto" }, getClusterName(cluster)));
  const values = Object.entries(proposal.metadata).map(([key, value]) => make("code", { class: "clip" }, `${key} = ${typeof value === "string" ? value : JSON.stringify(value)}`));
  const sentence = SENTENCES[proposal.kind] ?? proposal.kind;
  const row = make("li", {}, make("span", { class: "strip" }, ...pictures),
    make("div", { class: "words" }, make("b", {}, sentence, proposal.name ? make("span", { dir: "auto" }, ` to “${proposal.name}”`) : ""),
      proposal.items.length > SHOWN && make("small", { class: "quiet" }, formatCount(proposal.items.length, "picture")), ...names, ...values,
      make("small", { class: "quiet", dir: "auto" }, `${proposal.source || "A program"}, ${formatTime(proposal.at)}: ${proposal.reason || "no reason was given"}`)));
  const decide = verb => async () => {
    try {
      const { decisions } = await request(`/proposals/${proposal.id}/${verb}`, { method: "POST", json: {} });
      forgetAnswers();
      row.remove();
      update();
      const undo = async () => { for (const decision of decisions) await request(`/decisions/${decision}`, { method: "DELETE" }); forgetAnswers(); announce("Undone"); };
      showToast(verb === "accept" ? "Accepted and done" : "Rejected", decisions.length ? ["Undo", undo] : undefined);
    } catch (error) { showToast(error.detail ?? error.message); }
  };
  if (writable) row.append(makeButton("Accept", decide("accept"), { class: "plain main", "aria-label": `Accept: ${sentence}` }), makeButton("Reject", decide("reject"), { class: "plain", "aria-label": `Reject: ${sentence}` }));
  return row;
}
