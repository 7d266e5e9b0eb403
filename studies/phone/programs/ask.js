// The answers of the app's own modules to files/0, files/1, ..., posted one by one.

const post = (found) => fetch("answers", { method: "POST", body: JSON.stringify(found) });
addEventListener("unhandledrejection", (event) => post({ failure: String(event.reason) }));

try {
  const [{ decode }, { Model }, { openNetwork }, { sha256 }] = await Promise.all([import("./decode.js"), import("./model.js"), import("./litert.js"), import("./core.js")]);
  const fetched = async (name) => new Uint8Array(await (await fetch(name)).arrayBuffer());
  const model = await Model.open(fetched, openNetwork);
  const count = await (await fetch("files.json")).json();
  for (let number = 0; number < count; number++) {
    const image = await decode(new Blob([await fetched(`files/${number}`)]), model.card.size);
    const { label, reason, probabilities, scores, pixels, milliseconds } = await model.answer(image);
    await post({ number, label, reason, probabilities, scores, sha256: sha256(pixels), milliseconds });
  }
} catch (error) {
  await post({ failure: String(error?.message ?? error) });
}
