// PNG files as gray values, in code: a canvas has 8 bits, applies colour profiles and gamma, and multiplies by alpha.
// Runs in browsers and Node (both have DecompressionStream); docs/port.md has the rules.

import { bitDepth, checkSize, grayFromRgba, luminance, rint, scaled, upright } from "./core.js";
import { exifOrientation } from "./exif.js";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const DEPTHS = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] };
const CHANNELS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
const DAMAGED = "A whole PNG file is required. Got: a truncated or damaged one.";
// Of Adam7: first column, first row, steps.
const PASSES = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];

/** Whether bytes begin as a PNG file does. */
export function isPng(bytes) {
  return SIGNATURE.every((value, at) => bytes[at] === value);
}

/** Gray values {data, width, height} of a PNG file's bytes, upright. */
export async function readPng(bytes) {
  const file = chunks(bytes), { width, height, depth, kind } = file;
  const samples = await unpack(file);
  const turn = (data) => upright({ data, width, height }, file.orientation);
  const count = width * height;
  if (depth < 16) return turn(eight(file, samples, count));
  // 16 bits: colours over black, then the bit depth of the picture.
  const channels = CHANNELS[kind], hasAlpha = kind >= 4, colors = channels - (hasAlpha ? 1 : 0);
  const over = new Uint16Array(count * colors);
  for (let pixel = 0; pixel < count; pixel++) {
    const key = file.transparent && [...Array(colors).keys()].every((one) => samples[pixel * channels + one] === file.transparent[one]);
    const alpha = hasAlpha ? samples[pixel * channels + colors] : key ? 0 : 65535;
    const weight = Math.fround(alpha / 65535);
    for (let one = 0; one < colors; one++) {
      const value = samples[pixel * channels + one];
      over[pixel * colors + one] = alpha === 65535 ? value : rint(Math.fround(value * weight));
    }
  }
  const bits = bitDepth(over);
  const gray = colors === 1 ? over : Uint16Array.from({ length: count }, (_, at) => luminance(over[3 * at], over[3 * at + 1], over[3 * at + 2]));
  return turn(scaled(gray, bits));
}

function eight({ depth, kind, palette, transparent }, samples, count) {
  const rgba = new Uint8Array(4 * count), stretch = 255 / (2 ** depth - 1), channels = CHANNELS[kind];
  for (let pixel = 0; pixel < count; pixel++) {
    const at = pixel * channels, to = 4 * pixel;
    let color, alpha = 255;
    if (kind === 3) {
      const entry = samples[at];
      if (3 * entry + 2 >= palette.length) throw new Error(DAMAGED);
      color = [palette[3 * entry], palette[3 * entry + 1], palette[3 * entry + 2]];
      alpha = transparent && entry < transparent.length ? transparent[entry] : 255;
    } else if (kind === 2 || kind === 6) {
      color = [samples[at], samples[at + 1], samples[at + 2]];
      if (kind === 6) alpha = samples[at + 3];
      else if (transparent && color.every((value, one) => value === transparent[one])) alpha = 0;
    } else {
      color = Array(3).fill(samples[at] * stretch);
      if (kind === 4) alpha = samples[at + 1];
      else if (transparent && samples[at] === transparent[0]) alpha = 0;
    }
    rgba[to] = color[0];
    rgba[to + 1] = color[1];
    rgba[to + 2] = color[2];
    rgba[to + 3] = alpha;
  }
  return grayFromRgba(rgba);
}

function chunks(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const file = { data: [], orientation: 1, palette: new Uint8Array(0), transparent: null };
  let at = 8, ended = false;
  while (!ended && at + 12 <= bytes.length) {
    const size = view.getUint32(at), name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (at + 12 + size > bytes.length || crc(bytes.subarray(at + 4, at + 8 + size)) !== view.getUint32(at + 8 + size)) throw new Error(DAMAGED);
    const content = bytes.subarray(at + 8, at + 8 + size);
    if (name === "IHDR") {
      Object.assign(file, { width: view.getUint32(at + 8), height: view.getUint32(at + 12), depth: content[8], kind: content[9], interlaced: content[12] });
    } else if (name === "PLTE") file.palette = content;
    else if (name === "tRNS") file.raw = content;
    else if (name === "eXIf") file.orientation = exifOrientation(content);
    else if (name === "IDAT") file.data.push(content);
    else if (name === "IEND") ended = true;
    at += 12 + size;
  }
  if (!ended || !DEPTHS[file.kind]?.includes(file.depth) || file.interlaced > 1 || file.data.length === 0) throw new Error(DAMAGED);
  checkSize(file.width, file.height);
  if (file.raw) {
    file.transparent = file.kind === 3 ? file.raw : Array.from({ length: file.raw.length / 2 }, (_, one) => (file.raw[2 * one] << 8) | file.raw[2 * one + 1]);
  }
  return file;
}

/** The samples of all channels, row by row: bytes, or 16-bit numbers. */
async function unpack({ data, width, height, depth, kind, interlaced }) {
  const channels = CHANNELS[kind], passes = (interlaced ? PASSES : [[0, 0, 1, 1]]).map(([x0, y0, dx, dy]) => {
    const wide = Math.max(0, Math.ceil((width - x0) / dx)), high = wide && Math.max(0, Math.ceil((height - y0) / dy));
    return { x0, y0, dx, dy, wide, high, size: Math.ceil((wide * channels * depth) / 8) };
  });
  const raw = await inflated(data, passes.reduce((sum, { high, size }) => sum + high * (size + 1), 0));
  const step = Math.max(1, (channels * depth) >> 3), samples = new (depth === 16 ? Uint16Array : Uint8Array)(width * height * channels);
  let at = 0;
  for (const { x0, y0, dx, dy, wide, high, size } of passes) {
    let above = new Uint8Array(size);
    for (let row = 0; row < high; row++, at += size + 1) {
      const line = raw.subarray(at + 1, at + 1 + size);
      unfilter(raw[at], line, above, step);
      above = line;
      const start = (y0 + row * dy) * width;
      for (let one = 0; one < wide * channels; one++) {
        const to = (start + x0 + Math.floor(one / channels) * dx) * channels + (one % channels);
        if (depth === 8) samples[to] = line[one];
        else if (depth === 16) samples[to] = (line[2 * one] << 8) | line[2 * one + 1];
        else samples[to] = (line[(one * depth) >> 3] >> (8 - depth - ((one * depth) & 7))) & (2 ** depth - 1);
      }
    }
  }
  return samples;
}

/** Exactly `count` bytes of zlib streams: a small file that would become gigabytes is not unpacked further. */
async function inflated(data, count) {
  const raw = new Uint8Array(count), reader = new Blob(data).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  let at = 0;
  try {
    for (let next = await reader.read(); !next.done && at < count; next = await reader.read()) {
      raw.set(next.value.subarray(0, count - at), at);
      at = Math.min(count, at + next.value.length);
    }
  } catch {
    throw new Error(DAMAGED);
  }
  if (at < count) throw new Error(DAMAGED);
  reader.cancel().catch(() => {});
  return raw;
}

function unfilter(kind, line, above, step) {
  if (kind > 4) throw new Error(DAMAGED);
  for (let at = 0; kind !== 0 && at < line.length; at++) {
    const left = at >= step ? line[at - step] : 0, up = above[at], corner = at >= step ? above[at - step] : 0;
    line[at] += kind === 1 ? left : kind === 2 ? up : kind === 3 ? (left + up) >> 1 : paeth(left, up, corner);
  }
}

function paeth(left, up, corner) {
  const a = Math.abs(up - corner), b = Math.abs(left - corner), c = Math.abs(left + up - 2 * corner);
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = TABLE[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}
