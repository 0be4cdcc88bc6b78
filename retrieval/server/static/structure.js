// What the graph of neighbours tells: a way from picture to picture, and pictures that stand for all.

import { request } from "./api.js";
import { showList } from "./clusters.js";
import { formatCount } from "./dom.js";

const SHOWN = 24;

export async function showPath(stage, params) {
  const kind = params.get("kind") === "shortest" ? "shortest" : "widest";
  const { hits, weakest } = await request(`/path?a=${Number(params.get("a"))}&b=${Number(params.get("b"))}&kind=${kind}`);
  const explanation = `${formatCount(hits.length, "picture")}, each a nearest neighbour of the one before. The two that are least alike have a similarity of ${weakest.toFixed(2)}.`;
  return showList(stage, "From one picture to another", explanation, hits, (hit, place) => (place ? `similarity ${hit.score.toFixed(2)}` : "start"));
}

export async function showSummary(stage, params) {
  const within = params.get("within");
  const json = { k: SHOWN, ...(within ? { within: [Number(within)] } : {}) };
  const { hits, total } = await request("/summary", { method: "POST", json });
  const explanation = `Chosen so that each of ${formatCount(total, "picture")} has one like it among them, the most telling first.`;
  return showList(stage, "Summary", explanation, hits, hit => `${formatShare(hit.score)} like it`);
}

const formatShare = share => (share < 0.01 ? "under 1 %" : `${Math.round(100 * share)} %`);
