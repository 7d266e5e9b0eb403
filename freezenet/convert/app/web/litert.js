// The network in a browser: LiteRT.js from this page's own origin, with threads where the browser has them.

import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";

const WASM = new URL("node_modules/@litertjs/core/wasm/", import.meta.url).href;

/** Load LiteRT.js; returns whether it has threads. */
async function load() {
  if (globalThis.crossOriginIsolated) {
    try {
      await loadLiteRt(WASM, { threads: true });
      return true;
    } catch {
      // Firefox and Safari share memory between threads, but lack the relaxed SIMD of that build.
    }
  }
  await loadLiteRt(WASM, { threads: false });
  return false;
}

/** A function (input, shape) -> outputs as {values, shape}, in the order of the card; its property `threads` says whether it has any. */
export async function openNetwork(model) {
  const threads = await load();
  const compiled = await loadAndCompile(model, { accelerator: "wasm" });
  const run = async (input, shape) => {
    const tensor = new Tensor(input, shape), outputs = await compiled.run([tensor]);
    try {
      return outputs.map((one) => ({ values: one.toTypedArray().slice(), shape: [...one.type.layout.dimensions] }));
    } finally {
      for (const one of [tensor, ...outputs]) one.delete();
    }
  };
  return Object.assign(run, { threads });
}
