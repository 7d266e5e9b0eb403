// The page: from a picture to the answer, the check of this phone, and the history.

import { camOverlay, inside, mapped, resizeArea, straighten, upright } from "./core.js";
import { decode, Unreadable } from "./decode.js";
import { Frame } from "./frame.js";
import { History } from "./history.js";
import { Model } from "./model.js";
import { isKept, keepOffline } from "./offline.js";
import { percent, readable, worded } from "./words.js";

const SHOWN = 1024; // pixels of the longest side on the screen
const FAILED = "The check of this phone failed: its answers are not those that were promised. Do not use this one.";
const part = (name) => document.getElementById(name);
const frame = new Frame(part("stage"), part("shade"), part("edge"));
const history = new History(part("keep"), part("kept"), part("forget"), complain);
let model = null, picture = null, wanted = false, isPast = false;

// ---------------------------------------------------------------- opening

async function fetched(name) {
  const response = await fetch(name);
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** A newer version waits: the user says when, because a picture or an answer may be on the screen. */
function newer(take) {
  offer("A newer version of this app is ready.", "Use it now", () => {
    wanted = true;
    take();
  });
}

/** Another window, or the user here, put a newer version in place; what is fetched from here on would be of that one. */
function replaced() {
  if (wanted || picture === null) {
    location.reload();
    return;
  }
  part("check").disabled = isPast = true; // its pictures would be of the newer version
  offer("A newer version of this app was put in place.", "Load it", () => location.reload());
}

function offer(sentence, name, then) {
  part("newer-said").textContent = sentence;
  part("newer-use").textContent = name;
  part("newer-use").onclick = then;
  part("newer").hidden = false;
}

async function open() {
  await keepOffline(newer, replaced);
  try {
    const { openNetwork } = await import("./litert.js");
    model = await Model.open(fetched, openNetwork);
  } catch (error) {
    part("state").textContent = "The model could not be opened.";
    complain(`The model could not be opened. Reload the page; if that does not help, send this to your support: ${error.message ?? error}`);
    document.body.dataset.state = "failed";
    return;
  }
  part("state").textContent = `${model.card.content.name}, ${model.card.content.variant}`;
  for (const name of ["file", "camera", "check"]) part(name).disabled = false;
  facts(await isKept());
  document.body.dataset.state = "ready";
}

function facts(kept) {
  const { content, labels } = model.card;
  const trained = content.trained_on;
  const told = {
    "Model": `${content.name}, ${content.variant}`,
    "Knows": labels.map(readable).join(", "),
    "Refuses other pictures": model.card.gate ? "yes" : "NO: it also names a class for a picture that is no chest X-ray",
    ...(content.localized ? { "Thresholds": `set for ${content.localized.targets.join(", ")} on ${content.localized.images} images of one place` } : {}),
    "Trained on": !trained ? "not told" : trained.adopted === undefined ? `${trained.images} images, recipe ${trained.recipe}` : "not known, because another maker trained it",
    "Model file, SHA-256": model.sha256,
    "Card, SHA-256": model.cardSha256,
    "Works without a network": kept ? "yes" : "NO: this browser keeps nothing here; there is no room left, or the window is a private one",
    "Runs with": `LiteRT.js, ${model.run.threads ? "several threads" : "one thread"}`,
  };
  part("facts").replaceChildren(...Object.entries(told).flatMap(([name, value]) => [made("dt", name), made("dd", value)]));
  part("card-notice").textContent = content.notice ?? "";
}

// ---------------------------------------------------------------- a picture

async function take(file) {
  if (!file || !model) return;
  complain("");
  part("result").hidden = part("fit").hidden = true;
  document.body.dataset.state = "reading";
  // An answer that is still being made belongs to no picture from here on; of two files the last one counts.
  const taken = { file, image: null, turn: [], whole: null };
  picture = taken;
  part("busy").textContent = "Reading the picture …";
  await painted();
  let sentence = "";
  try {
    taken.image = await decode(file, model.card.size);
  } catch (error) {
    sentence = error instanceof Unreadable ? error.message : `The picture could not be opened. (${error.message})`;
  }
  if (picture !== taken) return;
  part("busy").textContent = "";
  if (sentence) {
    picture = null;
    complain(sentence);
    document.body.dataset.state = "ready";
    return;
  }
  picture.shown = picture.image;
  frame.reset();
  show();
  part("fit").hidden = false;
  part("fit-title").focus();
  document.body.dataset.state = "fitting";
}

/** Turn or mirror what is shown; an EXIF orientation says how. */
function turn(orientation) {
  picture.turn.push(orientation);
  picture.shown = upright(picture.shown, orientation);
  frame.reset();
  show();
}

function show() {
  draw(part("shown"), fitting(picture.shown));
}

/** What the frame holds: the picture to the bit where nothing was changed; else it is straightened at its full size. */
async function framed() {
  if (frame.isWhole) return picture.shown;
  // The picture on the screen may be a smaller one.
  picture.whole ??= await decode(picture.file, null);
  const whole = picture.turn.reduce(upright, picture.whole);
  return straighten(whole, inside(frame.in(whole)));
}

async function answer() {
  const asked = picture;
  part("answer").disabled = true;
  part("answer").textContent = "Answering …";
  complain("");
  await painted();
  try {
    const image = await framed(), found = await model.answer(image);
    if (picture === asked) present(image, found);
  } catch (error) {
    if (picture === asked) complain(`There is no answer. (${error.message})`);
  }
  part("answer").disabled = false;
  part("answer").textContent = "Answer";
}

// ---------------------------------------------------------------- the answer

function present(image, found) {
  const words = worded(model.card, found), isRefused = words.kind === "refused";
  part("sheet").dataset.kind = words.kind;
  for (const name of ["said", "why", "todo"]) part(name).textContent = words[name];
  part("shares").hidden = isRefused; // they mean nothing then
  part("shares").replaceChildren(...(isRefused ? [] : bars(found.probabilities)));
  const small = fitting(image);
  draw(part("seen"), small);
  part("seen").setAttribute("aria-label", "The X-ray that was read");
  part("caption").textContent = "";
  const warnings = [...(document.body.dataset.check === "failed" ? [FAILED] : []), ...(isRefused ? [] : model.card.warnings.map(readable))];
  part("warned").hidden = warnings.length === 0;
  part("warned").replaceChildren(...warnings.map((said) => made("li", said)));
  part("heat").hidden = isRefused || !found.cam;
  part("heat").setAttribute("aria-pressed", "false");
  part("heat").onclick = () => heat(small, found);
  const exact = picture.image.exact ? "" : " The browser opened this picture; the last digits may differ from those of a JPEG or PNG.";
  part("note").textContent = `This answer took ${time(found.milliseconds)}; half of all take at most ${time(model.p50)}.${exact}`;
  part("fit").hidden = true;
  part("result").hidden = false;
  part("said").focus();
  history.add({ answer: words.said, label: found.label, reason: found.reason, model: model.sha256.slice(0, 12) });
  document.body.dataset.state = "answered";
}

function bars(shares) {
  const order = [...shares.keys()].sort((one, other) => shares[other] - shares[one]);
  return order.map((number) => {
    const row = made("li", ""), bar = made("span", "");
    bar.className = "bar";
    bar.setAttribute("aria-hidden", "true");
    bar.append(made("span", ""));
    bar.firstChild.style.width = `${100 * shares[number]}%`;
    row.append(made("span", readable(model.card.labels[number])), made("strong", percent(shares[number])), bar);
    return row;
  });
}

/** Show or hide where the class is seen. */
function heat(small, found) {
  const isOn = part("heat").getAttribute("aria-pressed") !== "true";
  part("heat").setAttribute("aria-pressed", String(isOn));
  const most = mapped(model.card, found), name = readable(model.card.labels[most]);
  draw(part("seen"), small);
  part("seen").setAttribute("aria-label", isOn ? `The X-ray, coloured where the model sees ${name}` : "The X-ray that was read");
  part("caption").textContent = isOn ? `Colour shows where the model sees ${name}, not how sure it is: the strongest place is always red.` : "";
  if (!isOn) return;
  const { values, shape } = found.cam; // [1, rows, columns, classes]
  const overlay = camOverlay(small, values, shape.slice(1, 3), shape[3], most);
  part("seen").getContext("2d").putImageData(new ImageData(overlay, small.width, small.height), 0, 0);
}

// ---------------------------------------------------------------- the check

async function check() {
  part("check").disabled = true;
  part("verdict").textContent = "Checking …";
  const vectors = model.card.content.golden?.vectors ?? [], found = [];
  try {
    for (const vector of vectors) found.push(await model.check(vector, await decode(new Blob([await fetched(`golden/${vector.image}`)]), model.card.size)));
  } catch (error) {
    complain(`The check could not be finished. (${error.message})`);
  }
  const decisions = model.card.content.golden?.decisions?.length ?? 0, wrong = model.wrongDecisions();
  const passed = wrong.length === 0 && found.length > 0 && found.length === vectors.length && found.every((one) => one.passed);
  part("verdict").className = passed ? "good" : "bad";
  part("verdict").textContent = passed
    ? `✓ This phone gives the promised answers (${found.length} of ${vectors.length}). One answer takes ${time(model.p50)}.`
    : `✗ This phone does NOT give the promised answers (${found.filter((one) => one.passed).length} of ${vectors.length}). Do not use the app on it, and send the report.`;
  const rows = found.map((one) => line(one.name.replace(/^golden-|\.\w+$/g, ""), [one.pixels, one.scores, one.answer]));
  if (decisions) rows.push(line(`${decisions} decisions`, [null, null, wrong.length === 0]));
  part("rows").replaceChildren(...rows);
  part("checked").hidden = part("told").hidden = false;
  part("report").value = report(found, vectors.length, passed, decisions, wrong);
  part("check").disabled = isPast;
  document.body.dataset.check = passed ? "passed" : "failed";
}

function line(name, cells) {
  const row = made("tr", "");
  row.append(made("th", name), ...cells.map((good) => {
    const cell = made("td", good === null ? "–" : good ? "✓ same" : "✗ differs");
    if (good !== null) cell.className = good ? "good" : "bad";
    return cell;
  }));
  row.firstChild.scope = "row";
  return row;
}

function report(found, count, passed, decisions, wrong) {
  const { content } = model.card;
  return [
    `${passed ? "PASSED" : "FAILED"}: ${found.filter((one) => one.passed).length} of ${count} golden vectors`,
    ...found.map((one) => `${one.name}: pixels ${one.pixels ? "same" : "DIFFER"}, largest difference of a score ${one.difference.toFixed(6)}${one.scores ? "" : " TOO LARGE"}, answer ${one.answer ? "same" : "DIFFERS"}`),
    `decisions: ${decisions - wrong.length} of ${decisions}${wrong.length ? `; WRONG: ${wrong.join("; ")}` : ""}`,
    `model: ${content.name}, ${content.variant}, SHA-256 ${model.sha256}`,
    `card: SHA-256 ${model.cardSha256}; recorded with ${content.golden?.runtime}`,
    `device: ${navigator.userAgent}; ${navigator.hardwareConcurrency} cores; ${model.run.threads ? "threads" : "one thread"}`,
    `median of ${model.times.length} answers: ${model.p50?.toFixed(1)} ms`,
  ].join("\n");
}

// ---------------------------------------------------------------- small things

function made(kind, text) {
  const element = document.createElement(kind);
  element.textContent = text;
  return element;
}

/** What was written is on the screen before the work begins, which takes seconds for a large photograph. */
const painted = () => new Promise((resolve) => setTimeout(resolve, 30));

const time = (milliseconds) => (milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`);

function complain(sentence) {
  part("problem").textContent = sentence;
  part("problem").hidden = !sentence;
}

/** Gray values small enough for a screen. */
function fitting({ data, width, height }) {
  const scale = Math.min(1, SHOWN / Math.max(width, height));
  if (scale === 1) return { data, width, height };
  const size = [Math.max(1, Math.round(height * scale)), Math.max(1, Math.round(width * scale))];
  return { data: resizeArea({ data, width, height }, size), width: size[1], height: size[0] };
}

function draw(canvas, { data, width, height }) {
  canvas.width = width;
  canvas.height = height;
  canvas.parentElement.style.setProperty("--ratio", width / height);
  const shown = new ImageData(width, height), { data: rgba } = shown;
  for (let at = 0; at < data.length; at++) {
    rgba[4 * at] = rgba[4 * at + 1] = rgba[4 * at + 2] = data[at];
    rgba[4 * at + 3] = 255;
  }
  canvas.getContext("2d").putImageData(shown, 0, 0);
}

for (const name of ["file", "camera"]) {
  part(name).addEventListener("change", ({ target }) => {
    take(target.files[0]);
    target.value = "";
  });
}
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  take(event.dataTransfer.files[0]);
});
addEventListener("paste", (event) => take(event.clipboardData.files[0]));
part("left").onclick = () => turn(8);
part("right").onclick = () => turn(6);
part("mirror").onclick = () => turn(2);
part("whole").onclick = () => frame.reset();
part("answer").onclick = answer;
part("check").onclick = check;
part("again").onclick = () => {
  part("result").hidden = true;
  part("fit").hidden = false;
  part("fit-title").focus();
  document.body.dataset.state = "fitting";
};
part("next").onclick = () => {
  part("result").hidden = true;
  document.body.dataset.state = "ready";
  part("file").focus();
};
part("copy").onclick = async () => {
  part("report").select();
  try {
    await navigator.clipboard.writeText(part("report").value);
    part("copy").textContent = "Copied";
  } catch {
    part("copy").textContent = "Selected: copy it with the menu or Ctrl+C";
  }
};
open();
