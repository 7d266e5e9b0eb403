// A model and its card: from gray values to the answer, and the check that this device keeps what the card promises.

import { belongs, decide, decisionHolds, networkInput, probabilities, readCard, resizeArea, sameAnswer, sha256 } from "./core.js";

const TOLERANCE = { integer: 4 / 256, float: 1e-3 }, OOD_TOLERANCE = { integer: 0.05, float: 0.01 };

export class Model {
  /** Open what `fetched(name)` returns as bytes: model.tflite and card.json. */
  static async open(fetched, openNetwork) {
    const [bytes, cardBytes] = await Promise.all([fetched("model.tflite"), fetched("card.json")]);
    const model = new Model();
    model.card = readCard(cardBytes);
    if (!belongs(model.card, bytes)) throw new Error("A model.tflite and the card.json of the same export are required. Got: those of two; export the app again.");
    [model.sha256, model.cardSha256] = [sha256(bytes), sha256(cardBytes)];
    model.times = [];
    model.run = await openNetwork(bytes);
    return model;
  }

  /** Median time of one answer in milliseconds, without decoding; null before the first. */
  get p50() {
    const sorted = [...this.times].sort((one, other) => one - other);
    return sorted.length ? sorted[Math.floor((sorted.length - 1) / 2)] : null;
  }

  /** The answer to gray values: that of `decide`, with pixels, scores, cam {values, shape} (or null) and milliseconds. */
  async answer(image) {
    const started = performance.now(), { card } = this;
    const pixels = resizeArea(image, card.size);
    const outputs = await this.run(networkInput(card, pixels), [1, ...card.size, 3]);
    const named = Object.fromEntries(card.outputs.map((name, number) => [name, outputs[number]]));
    const answer = decide(card, pixels, named.scores.values, named.features?.values);
    const milliseconds = performance.now() - started;
    this.times.push(milliseconds);
    return { ...answer, pixels, scores: Array.from(named.scores.values), cam: named.cam ?? null, milliseconds };
  }

  /** Compare this device with a golden vector of the card; `image` is its decoded picture. */
  async check(vector, image) {
    const { card } = this, answer = await this.answer(image), expected = card.labels.map((label) => vector.scores[label]);
    const pixels = sha256(answer.pixels) === vector.pixels_sha256;
    const difference = Math.max(...expected.map((score, number) => Math.abs(score - answer.scores[number])));
    const kind = card.content.arithmetic === "integer" ? "integer" : "float", tolerance = TOLERANCE[kind];
    let same = true;
    if (vector.answer) {
      // The rule must turn the recorded scores into the recorded probabilities, whatever this device's own scores are.
      const recorded = { ...answer, probabilities: probabilities(card, expected) };
      same = sameAnswer(card, recorded, vector.answer, 1e-6, OOD_TOLERANCE[kind]);
    }
    return { name: vector.image, pixels, difference, scores: difference <= tolerance, answer: same, passed: pixels && difference <= tolerance && same };
  }

  /** Names of the golden decisions of the card of which this app's rules make another answer. */
  wrongDecisions() {
    return (this.card.content.golden?.decisions ?? []).filter((one) => !decisionHolds(one)).map((one) => one.name);
  }
}
