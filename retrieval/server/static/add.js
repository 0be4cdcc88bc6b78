// Adding pictures, and the server's jobs.

import { followJob, forgetAnswers, getInfo, request } from "./api.js";
import { announce, formatCount, formatNumber, formatTime, make, makeButton, makeError, makeNote, showToast } from "./dom.js";

const TITLES = {
  add: "Adding pictures", sync: "Syncing folders", retry: "Retrying failures", fill: "Filling a second space", duplicates: "Finding duplicates", cluster: "Making a clustering",
  refresh: "Refreshing a clustering", recluster: "Rebuilding the clusters", evaluate: "Evaluating clusterings", verify: "Verifying the collection",
};
const FILES_PER_REQUEST = 8;
const ENDED = ["done", "failed", "cancelled"];

export async function show(stage) {
  const { server } = await getInfo(true);
  const title = make("h1", { tabindex: "-1" }, server.writable ? "Add pictures" : "Jobs");
  const list = make("ol", { class: "jobs", "aria-labelledby": "jobs" });
  const section = make("section", { "aria-labelledby": "jobs" }, make("h2", { id: "jobs" }, "Jobs"), list);
  stage.replaceChildren(make("div", { class: "head" }, title, make("a", { href: "#/proposals" }, "Proposals")), server.writable ? makeDropZone() : "", section);
  try {
    const { jobs } = await request("/jobs");
    list.append(...jobs.map(job => makeJobRow(job, server.writable)));
    if (!jobs.length) list.replaceWith(makeNote("No jobs", make("p", {}, "Adding folders and finding duplicates appear here while they run.")));
  } catch (error) {
    list.replaceWith(makeError(error, () => show(stage)));
  }
  return title;
}

// ---- a job

function makeJobRow(job, writable) {
  const row = make("li", { class: "job" });
  const title = TITLES[job.kind] ?? job.kind;
  const cancel = async current => draw(await request(`/jobs/${current.id}`, { method: "DELETE" }).catch(error => { showToast(error.detail); return current; }));
  const draw = current => {
    const stop = writable && !ENDED.includes(current.state) && makeButton("Stop", () => cancel(current), { class: "plain", "aria-label": `Stop: ${title}` });
    const bar = current.state === "running" && make("progress", { "aria-label": title, max: current.total ?? 1, value: current.total ? current.done : null });
    row.replaceChildren(make("div", { class: "job-title" }, make("b", {}, title), make("span", { class: `state ${current.state}` }, current.state)), make("p", {}, describeJob(current)), bar || "", stop || "");
  };
  draw(job);
  if (!ENDED.includes(job.state)) followJob(job.id, draw).then(() => { forgetAnswers(); announce(`${title}: ended`); }, () => {});
  return row;
}

function describeJob(job) {
  if (job.state === "running") return [formatNumber(job.done), job.total ? ` of ${formatNumber(job.total)}` : "", job.what ? `: ${job.what}` : ""].join("");
  if (job.error) return job.error;
  return [describeReport(job), formatTime(1000 * (job.ended ?? job.started ?? job.created))].filter(Boolean).join(" · ");
}

function describeReport({ kind, report, asked }) {
  if (!report) return asked?.paths?.join(", ") ?? "";
  if (["add", "sync", "retry", "fill"].includes(kind)) return `${report.added} added, ${report.known} known, ${report.failed} failed`;
  if (kind === "duplicates") return `${formatCount(report.groups, "group")} of duplicates`;
  if (kind === "recluster") return formatCount(report.clusters, "cluster");
  if (kind === "evaluate") return `${formatCount(report.clusterings.length, "clustering")} of ${formatCount(report.judged, "picture")}`;
  if (kind === "verify") return report.ok ? "all is in order" : report.problems.join("; ");
  return report.name ? `“${report.name}”, ${formatCount(report.clusters, "cluster")}` : "";
}

// ---- adding

function makeDropZone() {
  const input = make("input", { type: "file", id: "more", accept: "image/*", multiple: true, class: "aside" });
  const help = make("p", { class: "help" }, "They are copied into the collection. For whole folders, nearkin add FOLDER is faster.");
  const progress = make("progress", { hidden: true, "aria-label": "Pictures sent" });
  const report = make("div", { class: "report", role: "status" });
  const zone = make("section", { class: "zone", "aria-label": "Drop pictures here" },
    make("p", { class: "big" }, "Drop pictures here"), make("p", {}, make("label", { class: "plain main", for: "more" }, "Choose pictures"), input), help, progress, report);
  input.addEventListener("change", () => { sendFiles([...input.files], progress, report); input.value = ""; });
  zone.addEventListener("dragover", event => { event.preventDefault(); event.stopPropagation(); zone.classList.add("over"); document.getElementById("drop").hidden = true; });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", event => {
    event.preventDefault();
    event.stopPropagation();
    zone.classList.remove("over");
    document.getElementById("drop").hidden = true;
    sendFiles([...event.dataTransfer.files], progress, report);
  });
  return zone;
}

// Sends a few at a time, so that progress shows and one bad picture costs its own part only.
async function sendFiles(files, progress, report) {
  const counts = { added: 0, known: 0, failures: [] };
  Object.assign(progress, { max: files.length, value: 0, hidden: false });
  for (let start = 0; start < files.length; start += FILES_PER_REQUEST) {
    report.textContent = `${start} of ${files.length} sent`;
    await sendPart(files.slice(start, start + FILES_PER_REQUEST), counts);
    progress.value = start + FILES_PER_REQUEST;
  }
  progress.hidden = true;
  forgetAnswers();
  const { added, known, failures } = counts;
  const summary = [`${formatCount(added, "picture")} added`, known && `${known} known already`, failures.length && `${failures.length} could not be read`].filter(Boolean).join(", ");
  report.replaceChildren(make("p", {}, `${summary}.`), ...failures.map(([name, reason]) => make("p", { class: "wrong" }, `${name}: ${reason}`)),
    added ? make("p", {}, make("a", { href: "#/new" }, "Look at what is new")) : "");
}

async function sendPart(files, counts) {
  const form = new FormData();
  for (const file of files) form.append("pictures", file, file.name);
  try {
    const { added, known } = await request("/items", { method: "POST", form });
    counts.added += added;
    counts.known += known;
  } catch (error) {
    if (files.length === 1) counts.failures.push([files[0].name, error.detail ?? error.message]);
    else for (const file of files) await sendPart([file], counts);
  }
}
