// Runs jobs, given as one JSON list on stdin, with the app's own modules, in Node; one JSON list of answers on stdout.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { runInThisContext } from "node:vm";

const request = JSON.parse(readFileSync(0, "utf8"));
const at = (name) => new URL(name, `file://${request.app}/`);
const core = await import(at("core.js"));
const { isJpeg, readJpeg } = await import(at("jpeg.js"));
const { readPng } = await import(at("png.js"));
const { worded } = await import(at("words.js"));

const bytes = (path) => new Uint8Array(readFileSync(path));
const gray = async (content, size) => (isJpeg(content) ? readJpeg(content, size) : readPng(content));

/** LiteRT.js expects a worker: give it what it asks of one. */
async function network(packages, model) {
  Object.assign(globalThis, { self: globalThis, require: createRequire(import.meta.url), __dirname: `${packages}/@litertjs/core/wasm` });
  globalThis.__filename = `${globalThis.__dirname}/loader.js`;
  globalThis.importScripts = (path) => runInThisContext(readFileSync(path, "utf8"), { filename: path });
  const home = `${packages}/@litertjs/core`;
  const { loadLiteRt, loadAndCompile, Tensor } = await import(`${home}/dist/index.js`);
  await loadLiteRt(`${home}/wasm/`, { threads: false });
  const compiled = await loadAndCompile(bytes(model), { accelerator: "wasm" });
  return async (input, shape) => {
    const tensor = new Tensor(input, shape), outputs = await compiled.run([tensor]);
    const values = outputs.map((one) => one.toTypedArray().slice());
    for (const one of [tensor, ...outputs]) one.delete();
    return values;
  };
}

const tasks = {
  async pixels({ file, size }) {
    const image = await gray(bytes(file), size);
    return { sha256: createHash("sha256").update(core.resizeArea(image, size)).digest("hex") };
  },
  resize: ({ data, width, height, size }) => [...core.resizeArea({ data: Uint8Array.from(data), width, height }, size)],
  sha256: ({ data }) => core.sha256(Uint8Array.from(data)),
  rgba: ({ data }) => [...core.grayFromRgba(Uint8Array.from(data))],
  plane: ({ data, width, height, stride }) => [...core.grayFromPlane(Uint8Array.from(data), width, height, stride)],
  decide({ card, pixels, scores, features }) {
    return core.decide(core.readCard(card), pixels, Float32Array.from(scores), features && Float32Array.from(features));
  },
  belongs: ({ card, model }) => core.belongs(core.readCard(card), bytes(model)),
  warnings: ({ card }) => core.readCard(card).warnings,
  worded: ({ card, answer }) => worded(core.readCard(card), answer),
  mapped: ({ card, answer }) => core.mapped(core.readCard(card), answer),
  overlay({ data, width, height, cam, shape, label }) {
    return [...core.camOverlay({ data: Uint8Array.from(data), width, height }, Float32Array.from(cam), shape, shape[2], label)];
  },
  straighten({ data, width, height, corners, longest }) {
    const out = core.straighten({ data: Uint8Array.from(data), width, height }, corners, longest);
    return { ...out, data: [...out.data] };
  },
  inside: ({ corners, share }) => core.inside(corners, share),
  associated({ model, name }) {
    const content = core.associated(bytes(model), name);
    return content && Buffer.from(content).toString("base64");
  },
  async answers({ model, packages, files }) {
    const card = core.readCard(bytes(model)), run = await network(packages, model), answers = [];
    for (const file of files) {
      const pixels = core.resizeArea(await gray(bytes(file), card.size), card.size);
      const started = performance.now();
      const outputs = await run(core.networkInput(card, pixels), [1, ...card.size, 3]);
      const named = Object.fromEntries(card.outputs.map((name, number) => [name, outputs[number]]));
      const answer = core.decide(card, pixels, named.scores, named.features), milliseconds = performance.now() - started;
      const sha256 = createHash("sha256").update(pixels).digest("hex");
      answers.push({ scores: [...named.scores], sha256, milliseconds, ...answer });
    }
    return answers;
  },
};

const answers = [];
for (const job of request.jobs) {
  try {
    answers.push(await tasks[job.task](job));
  } catch (error) {
    answers.push({ error: error.message });
  }
}
process.stdout.write(JSON.stringify(answers), () => process.exit(0));
