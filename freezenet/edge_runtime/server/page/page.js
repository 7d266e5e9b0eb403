// X-rays in, answers out: a queue, a card for each image, a table. Nothing is kept when the tab is closed.

import { asCsv, results } from "/results.js";
import { Refused, ask, pictureUrl, send, useToken } from "/server.js";

const IN_FLIGHT = 2;
const MOST_TRIES = 20;

const at = (id) => document.getElementById(id);
const items = [];
let model = null;
let running = 0;
let lastNumber = 0;
let batch = 0; // files added since the last time that all was done

async function start() {
  at("unreachable").hidden = true;
  try {
    model = await ask("/v1/model");
  } catch (error) {
    if (error.status === 401) {
      askForToken();
    } else {
      at("model").textContent = "";
      at("unreachable").textContent = error.message;
      at("unreachable").hidden = false;
    }
    return;
  }
  at("login").hidden = true;
  at("work").hidden = false;
  showModel();
  next();
}

function askForToken() {
  const tried = useToken(null);
  at("model").textContent = "";
  at("work").hidden = true;
  at("login").hidden = false;
  at("login-error").textContent = tried ? "The server does not know this token." : "";
  at("token").value = "";
  at("token").focus();
}

function showModel() {
  const card = model.card;
  const name = document.createElement("strong");
  name.textContent = model.model;
  at("model").replaceChildren(name, ` · ${card.variant} · ${card.labels.length} classes`);
  at("kept").textContent = model.stores_images
    ? "This server was told to keep a copy of each image."
    : "Images go to this server only, and it keeps none.";
  const accuracy = card.accuracy && card.accuracy.accuracy;
  const facts = {
    Classes: card.labels.map(readable).join(", "),
    Accuracy: accuracy
      ? `${percent(accuracy.value)} (95 % interval ${percent(accuracy.low)} to ${percent(accuracy.high)}) on ${card.accuracy.images} test images of its own data set`
      : "not stated",
    Runtime: model.runtime,
    "SHA-256": model.model_sha256,
    "Largest file": `${Math.floor(model.limits.max_bytes / 1e6)} MB, ${Math.floor(model.limits.max_pixels / 1e6)} megapixels`,
  };
  at("facts").replaceChildren(
    ...Object.entries(facts).flatMap(([term, text]) => [element("dt", term), element("dd", text)]),
  );
  at("card-notice").textContent = card.notice || "";
  at("elsewhere").textContent = (card.sources && card.sources.elsewhere) || "";
  at("about").hidden = false;
}

// ---------------------------------------------------------------- the queue

function add(files) {
  const list = [...files];
  if (!list.length) return;
  for (const file of list) {
    lastNumber += 1;
    const item = { number: lastNumber, file, name: file.name || `pasted ${lastNumber}`, state: "waiting", tries: 0 };
    items.push(item);
    build(item);
  }
  batch += list.length;
  say(list.length === 1 ? `${items.at(-1).name} added.` : `${list.length} files added.`);
  show();
  next();
}

function next() {
  while (model && running < IN_FLIGHT) {
    const item = items.find((one) => one.state === "waiting" && !one.taken);
    if (!item) return;
    item.taken = true;
    running += 1;
    answer(item).finally(() => {
      running -= 1;
      show();
      if (items.every((one) => one.state !== "waiting")) sayDone(item);
      next();
    });
  }
}

async function answer(item) {
  fill(item);
  if (item.file.size > model.limits.max_bytes) {
    return fail(item, `A file of at most ${Math.floor(model.limits.max_bytes / 1e6)} MB is required. Got: a larger one.`);
  }
  for (;;) {
    const began = performance.now();
    try {
      item.answer = await send(item.file, { preview: true });
      item.milliseconds = performance.now() - began;
      item.picture = pictureUrl(item.answer.preview_jpeg, "image/jpeg");
      delete item.answer.preview_jpeg;
      item.state = item.answer.abstained ? "abstained" : "answered";
      fill(item);
      return;
    } catch (error) {
      if (!items.includes(item)) return;
      if (error.status === 401) {
        item.taken = false;
        askForToken();
        return;
      }
      item.tries += 1;
      if (error.status !== 503 || item.tries >= MOST_TRIES) {
        fail(item, error instanceof Refused ? error.message : "The file cannot be read; a folder must be opened first.");
        return;
      }
      item.node.querySelector(".answer").textContent = "The server is busy; waiting …";
      await new Promise((resolve) => setTimeout(resolve, error.seconds * 1000));
    }
  }
}

function fail(item, message) {
  item.state = "failed";
  item.error = message;
  fill(item);
}

function retry(item) {
  Object.assign(item, { state: "waiting", taken: false, tries: 0, error: undefined });
  fill(item);
  item.node.querySelector(".file").focus();
  batch += 1;
  next();
}

// ---------------------------------------------------------------- what is seen

function element(tag, text, kind) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function percent(value) {
  return `${(100 * value).toFixed(1)} %`;
}

function readable(label) {
  return label.replaceAll("_", " ");
}

function top(item) {
  return Object.entries(item.answer.probabilities).reduce((best, one) => (one[1] > best[1] ? one : best));
}

function headline(item) {
  if (item.state === "abstained") return `No answer: ${item.answer.reason}`;
  return item.answer.label === "" ? "None of the classes" : item.answer.label.split(";").map(readable).join(", ");
}

// A voice cannot keep up with many answers: one is read out, of many how they went.
function sayDone(last) {
  if (!items.length) return;
  const one = last.state === "failed" ? last.error : last.state === "answered" ? `${headline(last)}, ${percent(top(last)[1])}` : headline(last);
  say(batch === 1 ? `${last.name}: ${one}` : `Done: ${at("count").textContent}`);
  batch = 0;
}

function build(item) {
  item.node = at("card").content.firstElementChild.cloneNode(true);
  const title = item.node.querySelector(".file");
  title.textContent = item.name;
  title.id = `file-${item.number}`;
  title.tabIndex = -1;
  item.node.querySelector("article").setAttribute("aria-labelledby", title.id);
  const heat = item.node.querySelector(".heat");
  const again = item.node.querySelector(".again");
  heat.addEventListener("click", () => toggleHeat(item, heat));
  again.addEventListener("click", () => retry(item));
  heat.setAttribute("aria-describedby", title.id);
  again.setAttribute("aria-describedby", title.id);
  fill(item);
  at("cards").append(item.node);
}

function fill(item) {
  const find = (kind) => item.node.querySelector(`.${kind}`);
  const done = item.state === "answered" || item.state === "abstained";
  find("card").className = `card ${item.state}${item.heat ? " shown-heat" : ""}`;
  find("card").setAttribute("aria-busy", String(item.state === "waiting"));
  find("answer").textContent = done ? headline(item) : item.state === "failed" ? "This file cannot be used" : item.taken ? "Reading …" : "Waiting …";
  find("reason").textContent = reason(item);
  find("again").hidden = item.state !== "failed";
  find("bars").replaceChildren(...(done ? bars(item) : []));
  // Where this is no chest X-ray, there is no class activation map to show.
  find("heat").hidden = !done || !model.shows_evidence || item.answer.reason === "not a chest X-ray";
  find("times").textContent = done ? times(item) : "";
  showPicture(item);
}

function reason(item) {
  if (item.state === "failed") return item.error;
  if (item.state !== "abstained") return "";
  return item.answer.reason === "uncertain"
    ? "The model is not sure enough to name a class. Have the X-ray read by a person."
    : "The model does not recognize this as a chest X-ray, so its probabilities mean nothing and are not shown.";
}

function bars(item) {
  // Probabilities of what is no chest X-ray would only mislead.
  if (item.answer.reason === "not a chest X-ray") return [];
  const chosen = new Set((item.answer.label || "").split(";"));
  return Object.entries(item.answer.probabilities)
    .sort((one, other) => other[1] - one[1])
    .map(([label, value]) => {
      const row = document.createElement("li");
      if (chosen.has(label) || item.answer.label === label) row.className = "chosen";
      // The element that says what it is; browsers draw it each in their own way, so that what is seen is drawn beside it.
      const meter = element("meter", percent(value), "unseen");
      Object.assign(meter, { min: 0, max: 1, value });
      meter.setAttribute("aria-label", `${readable(label)}: ${percent(value)}`);
      const track = element("span", "", "track");
      const fill = element("span", "", "fill");
      fill.style.width = `${100 * value}%`;
      track.append(fill);
      const [name, share] = [element("span", readable(label), "name"), element("span", percent(value), "percent")];
      for (const seen of [name, share, track]) seen.setAttribute("aria-hidden", "true");
      row.append(name, share, track, meter);
      return row;
    });
}

function times(item) {
  const stages = Object.values(item.answer.timings_ms).reduce((sum, one) => sum + one, 0);
  return `${stages.toFixed(0)} ms on the server, ${item.milliseconds.toFixed(0)} ms in all · request ${item.answer.request_id.slice(0, 8)}`;
}

function showPicture(item) {
  const picture = item.node.querySelector(".picture");
  const shown = item.heat || item.picture;
  picture.hidden = !shown;
  item.node.querySelector(".blank").hidden = Boolean(shown);
  if (shown) picture.src = shown;
  picture.alt = item.heat ? `${item.name} with its heat-map` : item.name;
  const caption = item.heat
    ? `Colour: where ${readable(top(item)[0])} is seen, not how sure the model is.`
    : item.picture
      ? "The gray values that were read"
      : "";
  item.node.querySelector("figcaption").textContent = caption;
  item.node.querySelector(".heat").setAttribute("aria-pressed", String(Boolean(item.heat)));
}

async function toggleHeat(item, button) {
  if (item.heat) {
    URL.revokeObjectURL(item.heat);
    item.heat = undefined;
    fill(item);
    return;
  }
  button.disabled = true;
  try {
    const found = await send(item.file, { cam: true });
    item.heat = pictureUrl(found.overlay_png, "image/png");
    fill(item);
    say(`Heat-map of ${item.name} shown.`);
  } catch (error) {
    if (error.status === 401) askForToken();
    item.node.querySelector("figcaption").textContent = error.message;
    say(error.message);
  } finally {
    button.disabled = false;
    if (document.activeElement === document.body) button.focus();
  }
}

function show() {
  const of = (state) => items.filter((item) => item.state === state).length;
  const parts = [
    [of("answered"), "answered"],
    [of("abstained"), "without an answer"],
    [of("failed"), "not usable"],
    [of("waiting"), "to do"],
  ];
  at("work").classList.toggle("busy", items.length > 0);
  at("bar").hidden = !items.length;
  at("count").textContent = parts.filter(([count]) => count).map(([count, what]) => `${count} ${what}`).join(" · ");
  const finished = items.filter((item) => item.state !== "waiting");
  for (const id of ["save-csv", "save-json"]) at(id).disabled = !finished.length;
  at("summary").hidden = finished.length < 2;
  at("rows").replaceChildren(...finished.map(row));
}

function row(item) {
  const made = document.createElement("tr");
  const name = element("th", item.name);
  name.scope = "row";
  const meaningful = item.answer && item.answer.reason !== "not a chest X-ray";
  made.append(
    name,
    element("td", item.answer ? headline(item) : "Cannot be used"),
    element("td", meaningful ? `${readable(top(item)[0])} ${percent(top(item)[1])}` : "–"),
    element("td", item.milliseconds ? `${item.milliseconds.toFixed(0)} ms` : "–"),
  );
  return made;
}

let lastSaid = 0;
function say(text) {
  // Equal texts after another would not be read out.
  lastSaid += 1;
  at("live").textContent = text + (lastSaid % 2 ? "\u00a0" : "");
}

// ---------------------------------------------------------------- hands

function save(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  say(`${name} saved.`);
}

function clear() {
  for (const item of items) for (const url of [item.picture, item.heat]) if (url) URL.revokeObjectURL(url);
  items.length = 0;
  batch = 0;
  at("cards").replaceChildren();
  show();
  say("All X-rays cleared.");
  at("files").focus();
}

at("files").addEventListener("change", (event) => {
  add(event.target.files);
  event.target.value = ""; // the same file may be chosen again
});
at("save-csv").addEventListener("click", () => save("freezenet.csv", "text/csv", asCsv(items, model.card.labels)));
at("save-json").addEventListener("click", () => save("freezenet.json", "application/json", JSON.stringify(results(items), null, 1)));
at("clear").addEventListener("click", clear);
at("login").addEventListener("submit", (event) => {
  event.preventDefault();
  useToken(at("token").value.trim());
  start();
});
// A file dropped beside the field must not replace the page.
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    at("drop").classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) at("drop").classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  add(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => add(event.clipboardData.files));

start();
