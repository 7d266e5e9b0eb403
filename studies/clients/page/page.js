// Scores of one model file for each of its input tensors; then the next file on a fresh page, so that a module that
// was aborted by one file is not used for another.
const number = Number(new URLSearchParams(location.search).get("n") ?? 0);
const questions = await (await fetch("/questions.json")).json();
const question = questions[number];
const arrays = { float32: Float32Array, uint8: Uint8Array, int16: Int16Array, int8: Int8Array };

async function answer() {
  const { loadLiteRt, loadAndCompile, Tensor } = await import("@litertjs/core");
  await loadLiteRt("/npm/@litertjs/core/wasm/", { threads: crossOriginIsolated });
  const model = await loadAndCompile(question.model, { accelerator: "wasm" });
  const values = new arrays[question.dtype](await (await fetch(question.tensors)).arrayBuffer());
  const size = question.shape.reduce((product, side) => product * side, 1);
  const scores = [];
  for (let start = 0; start < values.length; start += size) {
    const input = new Tensor(values.slice(start, start + size), question.shape);
    const outputs = await model.run([input]);
    scores.push(Array.from(outputs[0].toTypedArray()));
    for (const tensor of [input, ...outputs]) tensor.delete();
  }
  return { scores };
}

async function post(found) {
  await fetch(`/answers/${question.variant}`, { method: "POST", body: JSON.stringify(found) });
}

// A rejection inside the runtime may leave `answer` waiting for ever.
addEventListener("unhandledrejection", (event) => post({ cannot: String(event.reason) }));
try {
  await post(await answer());
} catch (error) {
  await post({ cannot: String(error?.message ?? error) });
}
if (number + 1 < questions.length) location.search = `?n=${number + 1}`;
