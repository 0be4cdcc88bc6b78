// Adding pictures, and what the server works at.

import { ask, follow, forget, info } from "./api.js";
import { button, counted, make, nothing, say, toast, trouble } from "./dom.js";

const KINDS = { add: "Adding pictures", duplicates: "Looking for copies", cluster: "Making a clustering", refresh: "Making a clustering anew" };
const AT_ONCE = 8;
const ENDED = ["done", "failed", "cancelled"];

export async function show(main) {
  const { server } = await info(true);
  const title = make("h1", { tabindex: "-1" }, server.writable ? "Add pictures" : "Jobs");
  const list = make("ol", { class: "jobs", "aria-labelledby": "jobs" });
  const work = make("section", { "aria-labelledby": "jobs" }, make("h2", { id: "jobs" }, "Jobs"), list);
  main.replaceChildren(make("div", { class: "head" }, title), server.writable ? adding() : "", work);
  try {
    const { jobs } = await ask("/jobs");
    list.append(...jobs.map(one => row(one, server.writable)));
    if (!jobs.length) list.replaceWith(nothing("No jobs", make("p", {}, "Adding folders and looking for copies shows up here while it runs.")));
  } catch (error) {
    list.replaceWith(trouble(error, () => show(main)));
  }
  return title;
}

// ---- a job

function row(job, writable) {
  const made = make("li", { class: "job" });
  const draw = now => {
    const stop = writable && !ENDED.includes(now.state) && button("Stop", async () => draw(await ask(`/jobs/${now.id}`, { method: "DELETE" }).catch(error => { toast(error.detail); return now; })), { class: "plain", "aria-label": `Stop: ${KINDS[now.kind] ?? now.kind}` });
    const bar = now.state === "running" && make("progress", { "aria-label": KINDS[now.kind] ?? now.kind, max: now.total ?? 1, value: now.total ? now.done : null });
    made.replaceChildren(make("div", { class: "what" }, make("b", {}, KINDS[now.kind] ?? now.kind), make("span", { class: `state ${now.state}` }, now.state)), make("p", {}, told(now)), bar || "", stop || "");
  };
  draw(job);
  if (!ENDED.includes(job.state)) follow(job.id, draw).then(() => { forget(); say(`${KINDS[job.kind] ?? job.kind}: ended`); }, () => {});
  return made;
}

function told(job) {
  const when = new Date(1000 * (job.ended ?? job.started ?? job.created)).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
  if (job.state === "running") return [job.done.toLocaleString("en"), job.total ? ` of ${job.total.toLocaleString("en")}` : "", job.what ? `: ${job.what}` : ""].join("");
  if (job.error) return job.error;
  return [outcome(job), when].filter(Boolean).join(" · ");
}

function outcome({ kind, report, asked }) {
  if (!report) return asked?.paths?.join(", ") ?? "";
  if (kind === "add") return `${report.added} added, ${report.known} known, ${report.failed} failed`;
  if (kind === "duplicates") return `${counted(report.groups, "group")} of copies`;
  return report.name ? `“${report.name}”, ${counted(report.clusters, "cluster")}` : "";
}

// ---- adding

function adding() {
  const input = make("input", { type: "file", id: "more", accept: "image/*", multiple: true, class: "aside" });
  const words = make("p", { class: "help" }, "They are copied into the collection. Whole folders are faster with nearkin add FOLDER.");
  const progress = make("progress", { hidden: true, "aria-label": "Pictures sent" });
  const report = make("div", { class: "report", role: "status" });
  const zone = make("section", { class: "zone", "aria-label": "Drop pictures here" },
    make("p", { class: "big" }, "Drop pictures here"), make("p", {}, make("label", { class: "plain main", for: "more" }, "Choose pictures"), input), words, progress, report);
  input.addEventListener("change", () => { send([...input.files], progress, report); input.value = ""; });
  zone.addEventListener("dragover", event => { event.preventDefault(); event.stopPropagation(); zone.classList.add("over"); document.getElementById("drop").hidden = true; });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", event => {
    event.preventDefault();
    event.stopPropagation();
    zone.classList.remove("over");
    document.getElementById("drop").hidden = true;
    send([...event.dataTransfer.files], progress, report);
  });
  return zone;
}

// A few at a time, so that progress shows and one bad picture costs its own part only.
async function send(files, progress, report) {
  const told = { added: 0, known: 0, failed: [] };
  Object.assign(progress, { max: files.length, value: 0, hidden: false });
  for (let start = 0; start < files.length; start += AT_ONCE) {
    report.textContent = `${start} of ${files.length} sent`;
    await some(files.slice(start, start + AT_ONCE), told);
    progress.value = start + AT_ONCE;
  }
  progress.hidden = true;
  forget();
  report.replaceChildren(make("p", {}, [counted(told.added, "picture") + " added", told.known && `${told.known} were there already`, told.failed.length && `${told.failed.length} could not be read`].filter(Boolean).join(", ") + "."),
    ...told.failed.map(([name, why]) => make("p", { class: "wrong" }, `${name}: ${why}`)), told.added ? make("p", {}, make("a", { href: "#/new" }, "Look at what is new")) : "");
}

async function some(files, told) {
  const form = new FormData();
  for (const one of files) form.append("pictures", one, one.name);
  try {
    const { added, known } = await ask("/items", { method: "POST", form });
    told.added += added;
    told.known += known;
  } catch (error) {
    if (files.length === 1) told.failed.push([files[0].name, error.detail ?? error.message]);
    else for (const one of files) await some([one], told);
  }
}
