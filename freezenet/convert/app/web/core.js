// freezenet's rules for an answer, as one module without DOM: it runs in a browser, in Node and in React Native.
// The rules in words: docs/port.md. Pixels are arrays of bytes, row by row; a size is [height, width].

export const NOT_CHEST = "not a chest X-ray";
export const UNCERTAIN = "uncertain";
export const PREPROCESS_VERSION = 2;
const SMALLEST_SCORE = { integer: 1 / 512, float: 1e-7 };
const BIT_DEPTHS = [8, 10, 12, 14, 16];

// ---------------------------------------------------------------- the card

/** Return the bytes of a file that lies in the ZIP archive behind a model's flatbuffer; null where there is none. */
export function associated(model, name) {
  const view = new DataView(model.buffer, model.byteOffset, model.byteLength);
  let end = model.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) return null;
  const count = view.getUint16(end + 10, true);
  // The list names places from the start of the file, because freezenet writes the archive behind the model.
  let at = view.getUint32(end + 16, true);
  for (let number = 0; number < count && view.getUint32(at, true) === 0x02014b50; number++) {
    const method = view.getUint16(at + 10, true), size = view.getUint32(at + 20, true);
    const nameSize = view.getUint16(at + 28, true), start = view.getUint32(at + 42, true);
    const found = text(model.subarray(at + 46, at + 46 + nameSize));
    if (found === name) {
      if (method !== 0) throw new Error(`An uncompressed ${name} is required in the model. Got: method ${method}.`);
      const from = start + 30 + view.getUint16(start + 26, true) + view.getUint16(start + 28, true);
      return model.subarray(from, from + size);
    }
    at += 46 + nameSize + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return null;
}

/** Return the card, ready to answer, of the bytes of a .tflite file or of card.json, or of its parsed object. */
export function readCard(source) {
  let content = source;
  if (source instanceof Uint8Array) {
    const bytes = source[0] === 0x7b ? source : associated(source, "card.json"); // {
    if (bytes === null) throw new Error("A model with a card.json inside is required. Got: none.");
    content = JSON.parse(text(bytes));
  }
  const spec = content.preprocess ?? {};
  if (content.card_version !== 1 || spec.version !== PREPROCESS_VERSION || spec.color !== "gray" || spec.resize !== "area") {
    throw new Error("A card of version 1 with preprocessing of version 2 is required. Got: another; export the app again.");
  }
  if (content.input?.dtype === "int8" || content.output) {
    throw new Error("A model that takes uint8 or float32 and gives float32 is required. Got: integer ends; convert it with --io pixels.");
  }
  return {
    content,
    size: spec.size,
    mean: spec.mean,
    std: spec.std,
    outputs: content.outputs ?? ["scores"],
    warnings: readWarnings(content),
    ...readRule(content),
  };
}

/** Whether a card was written for this network: with another model's card an app would answer wrongly, and notice nothing. */
export function belongs({ content }, model) {
  if (!content.network) return true; // a card of an earlier version does not say
  const { bytes, sha256: digest } = content.network;
  return bytes <= model.length && sha256(model.subarray(0, bytes)) === digest;
}

/** Sentences that belong beside every answer: what the card says of its thresholds, of its sources, and of a missing OOD gate. */
function readWarnings({ localized, sources, gate }) {
  const open = gate ? "" : "No OOD gate in this file: it also names a class for a picture that is no chest X-ray.";
  return [localized?.sentence, sources?.elsewhere, open].filter(Boolean);
}

/** The place of the class whose activation map belongs to an answer of `decide`: of its label, else the most probable one. */
export function mapped(card, { label, probabilities: shares }) {
  const named = card.labels.indexOf(label);
  return named >= 0 ? named : shares.indexOf(Math.max(...shares));
}

/** The rule of decision in a card, or of a golden decision. */
export function readRule(content) {
  const task = content.task ?? "multi-class", confidence = content.confidence ?? {};
  if (task !== "multi-class" && task !== "multi-label") throw new Error(`A known task is required. Got: ${task}.`);
  const own = confidence.abstain_below_class ?? {}, most = confidence.abstain_below ?? 0;
  const bias = confidence.bias ?? {}, from = confidence.answer_from ?? {};
  if ([own, bias, from].some((given) => Object.keys(given).some((label) => task === "multi-label" || !content.labels.includes(label)))) {
    throw new Error("Abstention by class for labels of a multi-class card is required. Got: another; export the app again.");
  }
  return {
    labels: content.labels,
    temperature: confidence.temperature ?? null,
    // For each label the smallest certainty of an answer with it.
    abstainBelow: content.labels.map((label) => own[label] ?? most),
    // For each label what is added to the logarithm of its probability, and the probability from which on it is answered; null without.
    bias: content.labels.map((label) => bias[label] ?? 0),
    answerFrom: content.labels.map((label) => from[label] ?? null),
    thresholds: task === "multi-label" ? content.labels.map((label) => content.thresholds?.[label] ?? 0.5) : null,
    gate: content.gate ? readGate(content.gate) : null,
    smallestScore: SMALLEST_SCORE[content.arithmetic === "integer" ? "integer" : "float"],
  };
}

/** SHA-256 of bytes in hexadecimal (FIPS 180-4): golden vectors name that of the pixels, and React Native has no crypto.subtle. */
export function sha256(bytes) {
  const padded = new Uint8Array(((bytes.length + 72) >> 6) << 6), view = new DataView(padded.buffer);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(padded.length - 4, (bytes.length << 3) >>> 0);
  const hash = Uint32Array.from(HASH), words = new Uint32Array(64), turn = (value, by) => (value >>> by) | (value << (32 - by));
  for (let start = 0; start < padded.length; start += 64) {
    for (let at = 0; at < 64; at++) {
      if (at < 16) words[at] = view.getUint32(start + 4 * at);
      else {
        const x = words[at - 15], y = words[at - 2];
        const first = turn(x, 7) ^ turn(x, 18) ^ (x >>> 3), second = turn(y, 17) ^ turn(y, 19) ^ (y >>> 10);
        words[at] = words[at - 16] + first + words[at - 7] + second;
      }
    }
    let [a, b, c, d, e, f, g, h] = hash;
    for (let at = 0; at < 64; at++) {
      const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + ROUND[at] + words[at]) | 0;
      const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((value, at) => { hash[at] += value; });
  }
  return Array.from(hash, (value) => value.toString(16).padStart(8, "0")).join("");
}

const PRIMES = Array.from({ length: 312 }, (_, number) => number).filter((number) => number > 1 && ![2, 3, 5, 7, 11, 13, 17].some((one) => number > one && number % one === 0));
const fraction = (value) => Math.floor((value % 1) * 2 ** 32);
const HASH = PRIMES.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
const ROUND = PRIMES.slice(0, 64).map((prime) => fraction(Math.cbrt(prime)));

// ---------------------------------------------------------------- gray values

/** Thrown for a picture that is whole, but smaller or larger than the reference reads. */
export class WrongSize extends Error {}

/** Refuse a picture of such a size, before memory is taken for it. */
export function checkSize(width, height) {
  if (Math.min(width, height) < 32) throw new WrongSize(`The picture is too small: ${width} × ${height} pixels; 32 × 32 are required.`);
  if (width * height > 100e6) throw new WrongSize(`The picture has more than 100 million pixels: ${width} × ${height}.`);
}

/** Luminance of RGBA bytes, which are read over black. */
export function grayFromRgba(rgba) {
  const gray = new Uint8Array(rgba.length / 4);
  for (let at = 0, to = 0; to < gray.length; at += 4, to++) {
    let red = rgba[at], green = rgba[at + 1], blue = rgba[at + 2];
    if (rgba[at + 3] !== 255) {
      const weight = Math.fround(rgba[at + 3] / 255);
      red = rint(Math.fround(red * weight));
      green = rint(Math.fround(green * weight));
      blue = rint(Math.fround(blue * weight));
    }
    gray[to] = luminance(red, green, blue);
  }
  return gray;
}

/** .299 R + .587 G + .114 B in fixed point with 15 bits, rounded half up; for 8 and for 16 bits. */
export function luminance(red, green, blue) {
  return Math.floor((9798 * red + 19235 * green + 3735 * blue + 16384) / 32768);
}

/** Gray values from a luminance plane whose rows are `stride` bytes apart, as a camera or decoder hands it out. */
export function grayFromPlane(plane, width, height, stride = width) {
  const gray = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) gray.set(plane.subarray(y * stride, y * stride + width), y * width);
  return gray;
}

/** The bit depth of 16-bit samples: the smallest of 8, 10, 12, 14, 16 that holds all of them but one in 1000. */
export function bitDepth(samples) {
  const allowed = Math.floor(samples.length / 1000);
  return BIT_DEPTHS.find((bits) => {
    let above = 0;
    for (const sample of samples) if (sample >= 2 ** bits) above++;
    return above <= allowed;
  });
}

/** 16-bit gray values as 8-bit ones: the full range of the depth becomes 0..255, rounded half to even. */
export function scaled(gray, depth) {
  const factor = Math.fround(255 / (2 ** depth - 1));
  return Uint8Array.from(gray, (value) => Math.min(255, rint(Math.fround(value * factor))));
}

/** Turn gray values by an EXIF orientation, 1 to 8; returns {data, width, height}. */
export function upright({ data, width, height }, orientation) {
  if (!(orientation >= 2 && orientation <= 8)) return { data, width, height };
  const turned = orientation >= 5, wide = turned ? height : width, high = turned ? width : height;
  const flipX = [2, 3, 7, 8].includes(orientation), flipY = [3, 4, 6, 7].includes(orientation);
  const out = new Uint8Array(data.length);
  for (let y = 0; y < high; y++) {
    for (let x = 0; x < wide; x++) {
      // From the upright place to the stored one.
      let column = turned ? y : x, row = turned ? x : y;
      if (flipX) column = width - 1 - column;
      if (flipY) row = height - 1 - row;
      out[y * wide + x] = data[row * width + column];
    }
  }
  return { data: out, width: wide, height: high };
}

// ---------------------------------------------------------------- resize

/** Resize gray values to size [height, width] by area averaging, to the bit as OpenCV's INTER_AREA does. */
export function resizeArea({ data, width, height }, [rows, columns]) {
  if (width === columns && height === rows) return data;
  // Twice a reciprocal, as the reference has it: 49 times is a hair more than 49 then.
  const scaleX = 1 / (columns / width), scaleY = 1 / (rows / height);
  if (scaleX < 1 || scaleY < 1) return enlarge(data, width, height, rows, columns, scaleX, scaleY);
  const isWhole = (scale) => Math.abs(scale - Math.round(scale)) < Number.EPSILON;
  if (isWhole(scaleX) && isWhole(scaleY)) return whole(data, width, rows, columns, Math.round(scaleX), Math.round(scaleY));
  const across = areaWeights(width, columns, scaleX), down = areaWeights(height, rows, scaleY);
  const out = new Uint8Array(rows * columns), line = new Float32Array(columns), sum = new Float32Array(columns);
  let last = 0;
  for (let one = 0; one < down.to.length; one++) {
    line.fill(0);
    const start = down.from[one] * width, beta = down.weight[one], row = down.to[one];
    // Float32Array rounds each sum; each product is rounded too, because the reference has no fused multiply-add.
    for (let k = 0; k < across.to.length; k++) {
      line[across.to[k]] += Math.fround(data[start + across.from[k]] * across.weight[k]);
    }
    if (row !== last) {
      for (let x = 0; x < columns; x++) out[last * columns + x] = saturate(rint(sum[x]));
      for (let x = 0; x < columns; x++) sum[x] = beta * line[x];
      last = row;
    } else {
      for (let x = 0; x < columns; x++) sum[x] += Math.fround(beta * line[x]);
    }
  }
  for (let x = 0; x < columns; x++) out[last * columns + x] = saturate(rint(sum[x]));
  return out;
}

/** Which source pixels a target pixel covers, and with which share (float32), along one side. */
function areaWeights(source, target, scale) {
  const from = [], to = [], weight = [];
  const add = (place, cell, share) => { from.push(place); to.push(cell); weight.push(Math.fround(share)); };
  for (let cell = 0; cell < target; cell++) {
    const begin = cell * scale, end = begin + scale, wide = Math.min(scale, source - begin);
    const last = Math.min(Math.floor(end), source - 1), first = Math.min(Math.ceil(begin), last);
    if (first - begin > 1e-3) add(first - 1, cell, (first - begin) / wide);
    for (let place = first; place < last; place++) add(place, cell, 1 / wide);
    if (end - last > 1e-3) add(last, cell, Math.min(Math.min(end - last, 1), wide) / wide);
  }
  return { from, to, weight };
}

function whole(data, width, rows, columns, scaleX, scaleY) {
  const out = new Uint8Array(rows * columns), share = Math.fround(1 / Math.fround(scaleX * scaleY));
  const isHalf = scaleX === 2 && scaleY === 2;
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      let sum = 0;
      for (let row = y * scaleY; row < (y + 1) * scaleY; row++) {
        const start = row * width + x * scaleX;
        for (let at = start; at < start + scaleX; at++) sum += data[at];
      }
      out[y * columns + x] = isHalf ? (sum + 2) >> 2 : saturate(rint(Math.fround(sum * share)));
    }
  }
  return out;
}

/** Where a side grows, both are interpolated, with weights of 11 bits. */
function enlarge(data, width, height, rows, columns, scaleX, scaleY) {
  const across = linearWeights(width, columns, scaleX, true), down = linearWeights(height, rows, scaleY, false);
  const out = new Uint8Array(rows * columns);
  for (let y = 0; y < rows; y++) {
    const upper = Math.min(down.from[y], height - 1) * width, lower = Math.min(down.from[y] + 1, height - 1) * width;
    for (let x = 0; x < columns; x++) {
      const left = across.from[x], right = Math.min(left + 1, width - 1), a = across.first[x], b = across.second[x];
      const top = data[upper + left] * a + data[upper + right] * b;
      const bottom = data[lower + left] * a + data[lower + right] * b;
      out[y * columns + x] = saturate((((down.first[y] * (top >> 4)) >> 16) + ((down.second[y] * (bottom >> 4)) >> 16) + 2) >> 2);
    }
  }
  return out;
}

function linearWeights(source, target, scale, isRow) {
  const from = [], first = [], second = [], inverse = target / source;
  for (let cell = 0; cell < target; cell++) {
    let place = Math.floor(cell * scale);
    let share = Math.fround(cell + 1 - (place + 1) * inverse);
    share = share <= 0 ? 0 : Math.fround(share - Math.floor(share));
    // Along a row, the last pixel counts alone; down a column it keeps both weights, each of which is rounded.
    if (isRow && place >= source - 1) { place = source - 1; share = 0; }
    from.push(place);
    first.push(rint(Math.fround(Math.fround(1 - share) * 2048)));
    second.push(rint(Math.fround(share * 2048)));
  }
  return { from, first, second };
}

// ---------------------------------------------------------------- the network's input

/** The input tensor [1, height, width, 3] of pixels: bytes as they are for an integer file, else (pixel - mean) / std. */
export function networkInput(card, pixels) {
  const isBytes = card.content.input?.dtype === "uint8";
  const out = new (isBytes ? Uint8Array : Float32Array)(3 * pixels.length);
  for (let at = 0; at < pixels.length; at++) {
    const value = isBytes ? pixels[at] : Math.fround(Math.fround(pixels[at] - Math.fround(card.mean)) / Math.fround(card.std));
    out[3 * at] = out[3 * at + 1] = out[3 * at + 2] = value;
  }
  return out;
}

// ---------------------------------------------------------------- the decision

/** Calibrated probabilities of scores. */
export function probabilities(card, scores) {
  const given = Array.from(scores, Number);
  if (!given.every(Number.isFinite)) throw new Error("Finite scores are required. Got: NaN or infinity.");
  if (card.temperature === null) return given;
  const clip = (score, most) => Math.min(Math.max(score, card.smallestScore), most);
  if (card.thresholds) {
    return given.map((score) => clip(score, 1 - card.smallestScore)).map((p) => 1 / (1 + ((1 - p) / p) ** (1 / card.temperature)));
  }
  const clipped = given.map((score) => clip(score, 1)), largest = Math.max(...clipped);
  const most = Math.max(...card.bias);
  const powers = clipped.map((score, number) => (score / largest) ** (1 / card.temperature) * Math.exp(card.bias[number] - most));
  const total = powers.reduce((sum, one) => sum + one, 0);
  return powers.map((one) => one / total);
}

/**
 * The answer: {label, reason, probabilities, ood}. Of label and reason one is null; ood holds what each OOD gate reads.
 *
 * pixels: of the input's size; scores, features: the model's outputs of those names.
 */
export function decide(card, pixels, scores, features) {
  const shares = probabilities(card, scores);
  if (card.gate && !features) throw new Error("The model's features are required by its OOD gate. Got: none.");
  const ood = card.gate ? card.gate.map((gate) => ({ score: gate.score(features), threshold: gate.threshold, passes: gate.passes(features) })) : [];
  const found = { label: null, reason: null, probabilities: shares, ood };
  if (pixels.every((value) => value === pixels[0]) || !ood.every((one) => one.passes)) return { ...found, reason: NOT_CHEST };
  // First the labels that reach their own probability, then those without one, then the rest.
  const ranks = shares.map((share, number) => (card.answerFrom[number] === null ? 1 : share >= card.answerFrom[number] ? 2 : 0));
  const ranked = shares.map((share, number) => (card.thresholds || ranks[number] === Math.max(...ranks) ? share : -1));
  const most = ranked.indexOf(Math.max(...ranked));
  const chosen = shares.map((share, number) => (card.thresholds ? share >= card.thresholds[number] : number === most));
  const certainty = card.thresholds ? Math.min(...shares.map((share, number) => (chosen[number] ? share : 1 - share))) : shares[most];
  // The sets of labels of a multi-label card share one threshold.
  if (certainty < card.abstainBelow[card.thresholds ? 0 : most]) return { ...found, reason: UNCERTAIN };
  return { ...found, label: card.labels.filter((_, number) => chosen[number]).join(";") };
}

/** Whether the rules of this module make the recorded answer of a golden decision. */
export function decisionHolds({ rule, scores, features, answer }) {
  return sameAnswer(readRule(rule), decide(readRule(rule), [0, 1], scores, features), answer, 1e-6, 1e-5);
}

/**
 * Whether an answer is the recorded one: label, reason, probabilities within `share`, and what each OOD gate reads within a part
 * `distance` of its threshold.
 */
export function sameAnswer({ labels }, found, recorded, share, distance) {
  const close = labels.every((label, number) => Math.abs(found.probabilities[number] - recorded.probabilities[label]) <= share);
  const gates = recorded.ood.length === found.ood.length
    && recorded.ood.every((one, number) => Math.abs(one.score - found.ood[number].score) <= distance * one.threshold);
  return close && gates && found.label === recorded.label && found.reason === recorded.reason;
}

/** The gates of a card's "gate" object, each with score(features) and passes(features); NaN never passes. */
export function readGate(content) {
  if (content.kind === "both") return content.gates.flatMap(readGate);
  const { threshold } = content;
  if (content.kind === "logistic") {
    const score = (features) => {
      let sum = content.bias;
      content.weights.forEach((weight, at) => { sum += weight * features[at]; });
      return 0.5 * (1 + Math.tanh(0.5 * sum));
    };
    return [{ threshold, score, passes: (features) => score(features) >= threshold }];
  }
  if (content.kind !== "one-class") throw new Error(`A known OOD gate is required. Got: ${content.kind}; update the app.`);
  const { mean, directions, scale } = content, packed = halves(fromBase64(content.triangle));
  if (packed.length !== directions * mean.length - (directions * (directions - 1)) / 2) throw new Error("A whole OOD gate is required.");
  const score = (features) => {
    let at = 0, squares = 0;
    for (let row = 0; row < directions; row++) {
      let sum = 0;
      for (let column = row; column < mean.length; column++) sum += packed[at++] * scale * (features[column] - mean[column]);
      squares += sum * sum;
    }
    return Math.sqrt(squares);
  };
  return [{ threshold, score, passes: (features) => score(features) <= threshold }];
}

/** Little-endian float16 as numbers; React Native has no Float16Array. */
function halves(bytes) {
  return Float64Array.from({ length: bytes.length / 2 }, (_, at) => {
    const bits = bytes[2 * at] | (bytes[2 * at + 1] << 8), exponent = (bits >> 10) & 31, part = bits & 1023;
    const size = exponent === 0 ? part * 2 ** -24 : exponent === 31 ? (part ? NaN : Infinity) : (1024 + part) * 2 ** (exponent - 25);
    return bits & 0x8000 ? -size : size;
  });
}

/** Base64 (without line breaks) as bytes: in React Native a picked file comes so. */
export function fromBase64(encoded) {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const out = new Uint8Array(Math.floor((encoded.replace(/=+$/, "").length * 3) / 4));
  for (let at = 0, to = 0; to < out.length; at += 4, to += 3) {
    const four = [0, 1, 2, 3].map((one) => Math.max(0, letters.indexOf(encoded[at + one])));
    const bits = (four[0] << 18) | (four[1] << 12) | (four[2] << 6) | four[3];
    out[to] = bits >> 16;
    if (to + 1 < out.length) out[to + 1] = (bits >> 8) & 255;
    if (to + 2 < out.length) out[to + 2] = bits & 255;
  }
  return out;
}

// ---------------------------------------------------------------- the class activation map

/**
 * A class activation map laid over gray values, as RGBA bytes of the same size; where a class is refused, show none.
 *
 * cam: the model's output [1, rows, columns, classes]; label: number of the class.
 */
export function camOverlay({ data, width, height }, cam, [rows, columns], classes, label) {
  const heat = Float64Array.from({ length: rows * columns }, (_, at) => Math.max(0, cam[at * classes + label]));
  const largest = Math.max(...heat, Number.MIN_VALUE);
  const across = cubicWeights(columns, width), down = cubicWeights(rows, height);
  const lines = new Float64Array(rows * width), out = new Uint8ClampedArray(4 * width * height);
  for (let row = 0; row < rows; row++) {
    for (let x = 0; x < width; x++) {
      lines[row * width + x] = across[x].reduce((sum, [place, share]) => sum + (share * heat[row * columns + place]) / largest, 0);
    }
  }
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value = Math.min(1, Math.max(0, down[y].reduce((sum, [place, share]) => sum + share * lines[place * width + x], 0)));
      const at = y * width + x, color = 3 * Math.round(255 * value);
      for (let one = 0; one < 3; one++) out[4 * at + one] = rint(data[at] * (1 - 0.5 * value) + TURBO[color + one] * 0.5 * value);
      out[4 * at + 3] = 255;
    }
  }
  return out;
}

/** Bicubic interpolation with a = -.75 between pixel centres; beyond the edge, the edge goes on. */
function cubicWeights(source, target) {
  return Array.from({ length: target }, (_, cell) => {
    const at = ((cell + 0.5) * source) / target - 0.5, place = Math.floor(at), t = at - place, a = -0.75;
    const near = (d) => ((a + 2) * d - (a + 3)) * d * d + 1, far = (d) => ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
    const shares = [far(1 + t), near(t), near(1 - t), far(2 - t)];
    return shares.map((share, k) => [Math.min(source - 1, Math.max(0, place - 1 + k)), share]);
  });
}

/** Google's colour map Turbo, 256 times red, green, blue (Apache-2.0; Mikhailov 2019). */
const TURBO = Uint8Array.from(
  "30123b32154333184a341b51351e5836215f37246638276d392a733a2d793b2f803c32863d358b3e38913f3b973f3e9c4040a24143a74146ac4249b1424bb5434eba4451bf4454c34456c74559cb455ccf455ed34661d64664da4666dd4669e0466be3476ee64771e94773eb4776ee4778f0477bf2467df44680f64682f84685fa4687fb458afc458cfd448ffe4391fe4294ff4196ff4099ff3e9bfe3d9efe3ba0fd3aa3fc38a5fb37a8fa35abf833adf731aff52fb2f42eb4f22cb7f02ab9ee28bceb27bee925c0e723c3e422c5e220c7df1fc9dd1ecbda1ccdd81bd0d51ad2d21ad4d019d5cd18d7ca18d9c818dbc518ddc218dec018e0bd19e2bb19e3b91ae4b61ce6b41de7b21fe9af20eaac22ebaa25eca727eea42aefa12cf09e2ff19b32f29835f39438f4913cf58e3ff68a43f78746f8844af8804ef97d52fa7a55fa7659fb735dfc6f61fc6c65fd6969fd666dfe6271fe5f75fe5c79fe597dff5680ff5384ff5188ff4e8bff4b8fff4992ff4796fe4499fe429cfe409ffd3fa1fd3da4fc3ca7fc3aa9fb39acfb38affa37b1f936b4f836b7f735b9f635bcf534bef434c1f334c3f134c6f034c8ef34cbed34cdec34d0ea34d2e935d4e735d7e535d9e436dbe236dde037dfdf37e1dd37e3db38e5d938e7d739e9d539ebd339ecd13aeecf3aefcd3af1cb3af2c93af4c73af5c53af6c33af7c13af8be39f9bc39faba39fbb838fbb637fcb336fcb136fdae35fdac34fea933fea732fea431fea130fe9e2ffe9b2dfe992cfe962bfe932afe9029fd8d27fd8a26fc8725fc8423fb8122fb7e21fa7b1ff9781ef9751df8721cf76f1af66c19f56918f46617f36315f26014f15d13f05b12ef5811ed5510ec530feb500eea4e0de84b0ce7490ce5470be4450ae2430ae14109df3f08dd3d08dc3b07da3907d83706d63506d43305d23105d02f05ce2d04cc2b04ca2a04c82803c52603c32503c12302be2102bc2002b91e02b71d02b41b01b21a01af1801ac1701a91601a71401a41301a112019e10019b0f01980e01950d01920b018e0a018b09028808028507028106027e05027a0403".match(/../g),
  (pair) => parseInt(pair, 16),
);

// ---------------------------------------------------------------- a film in a photograph

/**
 * Straighten a quadrilateral of gray values: {data, width, height} of the film, seen from the front.
 *
 * corners: [[x, y], ...] in pixels, clockwise from the film's upper left corner; longest: largest side of the result.
 */
export function straighten(image, corners, longest = 2048) {
  const length = ([x, y], [u, v]) => Math.hypot(u - x, v - y);
  let width = Math.max(length(corners[0], corners[1]), length(corners[3], corners[2]));
  let height = Math.max(length(corners[0], corners[3]), length(corners[1], corners[2]));
  const shrink = Math.min(1, longest / Math.max(width, height));
  width = Math.max(1, Math.round(width * shrink));
  height = Math.max(1, Math.round(height * shrink));
  // The projective map of the unit square onto the corners (Heckbert, Fundamentals of Texture Mapping, 1989, section 2.2.3).
  const [[x0, y0], [x1, y1], [x2, y2], [x3, y3]] = corners;
  const sx = x0 - x1 + x2 - x3, sy = y0 - y1 + y2 - y3, dx1 = x1 - x2, dx2 = x3 - x2, dy1 = y1 - y2, dy2 = y3 - y2;
  const area = dx1 * dy2 - dx2 * dy1;
  if (Math.abs(area) < 1e-9) throw new Error("Four corners that span an area are required. Got: corners on one line.");
  const g = (sx * dy2 - dx2 * sy) / area, h = (dx1 * sy - sx * dy1) / area;
  const a = x1 - x0 + g * x1, b = x3 - x0 + h * x3, d = y1 - y0 + g * y1, e = y3 - y0 + h * y3;
  const data = new Uint8Array(width * height);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const u = (column + 0.5) / width, v = (row + 0.5) / height, w = g * u + h * v + 1;
      data[row * width + column] = between(image, (a * u + b * v + x0) / w - 0.5, (d * u + e * v + y0) / w - 0.5);
    }
  }
  return { data, width, height };
}

/**
 * Corners moved inwards by a share of the film's size on each side: a frame that lies a little outside of the film's edge makes a refusal likely,
 * one that lies a little inside costs next to nothing (docs/phone.md).
 */
export function inside(corners, share = 0.005) {
  const x = corners.reduce((sum, one) => sum + one[0], 0) / 4, y = corners.reduce((sum, one) => sum + one[1], 0) / 4;
  return corners.map((one) => [one[0] + (x - one[0]) * 2 * share, one[1] + (y - one[1]) * 2 * share]);
}

function between({ data, width, height }, x, y) {
  x = Math.min(width - 1, Math.max(0, x));
  y = Math.min(height - 1, Math.max(0, y));
  const left = Math.floor(x), top = Math.floor(y), right = Math.min(left + 1, width - 1), bottom = Math.min(top + 1, height - 1);
  const s = x - left, t = y - top;
  const upper = data[top * width + left] * (1 - s) + data[top * width + right] * s;
  const lower = data[bottom * width + left] * (1 - s) + data[bottom * width + right] * s;
  return Math.round(upper * (1 - t) + lower * t);
}

// ---------------------------------------------------------------- small things

/** Round half to even, as a processor does. */
export function rint(value) {
  const floor = Math.floor(value), rest = value - floor;
  return rest < 0.5 ? floor : rest > 0.5 ? floor + 1 : floor % 2 === 0 ? floor : floor + 1;
}

function saturate(value) {
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/** UTF-8 as text; React Native's engines may lack TextDecoder. */
function text(bytes) {
  if (typeof TextDecoder !== "undefined") return new TextDecoder().decode(bytes);
  let encoded = "";
  for (const byte of bytes) encoded += "%" + byte.toString(16).padStart(2, "0");
  return decodeURIComponent(encoded);
}
