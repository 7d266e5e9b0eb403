// The luminance of a JPEG file, in code and to the bit: browsers and phones hand out colours, which are rounded twice.
// Baseline and progressive, 8 bits, Huffman; ITU-T T.81. The inverse cosine transforms are those of libjpeg ("islow" and its
// reduced sizes), so that all ports see what the training saw. Runs in browsers, Node and React Native.

import { exifOrientation } from "./exif.js";
import { checkSize, upright } from "./core.js";

const DAMAGED = "A whole JPEG file is required. Got: a truncated or damaged one.";
const ZIGZAG = [
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50,
  43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/** Thrown for kinds of JPEG that are whole but not read here; a caller may let the system decode those. */
export class OtherJpeg extends Error {}

/** Whether bytes begin as a JPEG file does. */
export function isJpeg(bytes) {
  return bytes[0] === 0xff && bytes[1] === 0xd8;
}

/**
 * Luminance {data, width, height} of a JPEG file's bytes, upright.
 *
 * shrinkTo: [height, width] of the network's input: where the file is at least four times as large, it is decoded at 1/2, 1/4
 * or 1/8 of its size, but never below twice the input. The answer is then the one of the reference, to the bit.
 */
export function readJpeg(bytes, shrinkTo = null) {
  const file = parse(bytes);
  const { width, height, luma } = file;
  const room = shrinkTo ? Math.min(width, height) / Math.max(...shrinkTo) : 0;
  const factor = [8, 4, 2].find((one) => room / one >= 2) ?? 1;
  const side = 8 / factor, rowSize = luma.blocksWide * side;
  const plane = new Uint8Array(rowSize * luma.blocksHigh * side);
  const transform = { 8: transform8, 4: transform4, 2: transform2, 1: transform1 }[side];
  const table = file.quantization[luma.table];
  if (!table) throw new Error(DAMAGED);
  const block = new Int32Array(64);
  for (let row = 0; row < luma.blocksHigh; row++) {
    for (let column = 0; column < luma.blocksWide; column++) {
      const start = 64 * (row * luma.blocksWide + column);
      for (let at = 0; at < 64; at++) block[at] = luma.coefficients[start + at] * table[at];
      transform(block, plane, row * side * rowSize + column * side, rowSize);
    }
  }
  const wide = Math.ceil(width / factor), high = Math.ceil(height / factor), data = new Uint8Array(wide * high);
  for (let row = 0; row < high; row++) data.set(plane.subarray(row * rowSize, row * rowSize + wide), row * wide);
  return upright({ data, width: wide, height: high }, file.orientation);
}

function parse(bytes) {
  const file = { quantization: [], dc: [], ac: [], interval: 0, orientation: 1, scans: 0 };
  const word = (at) => (bytes[at] << 8) | bytes[at + 1];
  let at = 2;
  for (;;) {
    while (at < bytes.length && bytes[at] !== 0xff) at++;
    while (at < bytes.length && bytes[at] === 0xff) at++;
    if (at >= bytes.length) throw new Error(DAMAGED);
    const marker = bytes[at++];
    if (marker === 0xd9) break;
    if (marker === 0 || marker === 1 || (marker >= 0xd0 && marker <= 0xd8)) continue;
    const size = word(at), content = bytes.subarray(at + 2, at + size);
    if (size < 2 || at + size > bytes.length) throw new Error(DAMAGED);
    at += size;
    if (marker === 0xc0 || marker === 0xc1 || marker === 0xc2) frame(file, content, marker === 0xc2);
    else if (marker >= 0xc3 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) throw new OtherJpeg("Lossless or arithmetic JPEG.");
    else if (marker === 0xc4) huffman(file, content);
    else if (marker === 0xdb) quantization(file, content);
    else if (marker === 0xdd) file.interval = (content[0] << 8) | content[1];
    else if (marker === 0xe1 && content[0] === 0x45 && content[1] === 0x78) file.orientation = exifOrientation(content);
    else if (marker === 0xee && String.fromCharCode(...content.subarray(0, 5)) === "Adobe") file.adobe = content[11];
    else if (marker === 0xda) at = scan(file, bytes, at, content);
  }
  if (!file.luma || file.scans === 0) throw new Error(DAMAGED);
  return file;
}

function frame(file, content, progressive) {
  if (content[0] !== 8) throw new OtherJpeg("JPEG of other than 8 bits.");
  const height = (content[1] << 8) | content[2], width = (content[3] << 8) | content[4], count = content[5];
  if (file.luma || !width || !height) throw new Error(DAMAGED);
  checkSize(width, height);
  const components = Array.from({ length: count }, (_, number) => {
    const [id, factors, table] = content.subarray(6 + 3 * number, 9 + 3 * number);
    return { id, h: factors >> 4, v: factors & 15, table };
  });
  const rgb = count === 3 && (file.adobe === 0 || (file.adobe === undefined && components.map((one) => one.id).join() === "82,71,66"));
  const maxH = Math.max(...components.map((one) => one.h)), maxV = Math.max(...components.map((one) => one.v));
  if ((count !== 1 && count !== 3) || rgb || components[0].h !== maxH || components[0].v !== maxV) throw new OtherJpeg("JPEG of another colour model.");
  if (count === 1) components[0].h = components[0].v = 1;
  const one = count === 1 ? 1 : maxH, other = count === 1 ? 1 : maxV;
  Object.assign(file, { width, height, progressive, components, luma: components[0] });
  file.mcusWide = Math.ceil(width / (8 * one));
  file.mcusHigh = Math.ceil(height / (8 * other));
  for (const part of components) {
    part.blocksWide = file.mcusWide * part.h;
    part.blocksHigh = file.mcusHigh * part.v;
    // A scan of one component has only the blocks that the picture covers.
    part.ownWide = Math.ceil(Math.ceil((width * part.h) / one) / 8);
    part.ownHigh = Math.ceil(Math.ceil((height * part.v) / other) / 8);
  }
  const { luma } = file;
  luma.coefficients = new Int16Array(64 * luma.blocksWide * luma.blocksHigh);
}

function quantization(file, content) {
  for (let at = 0; at < content.length; ) {
    const wide = content[at] >> 4, table = new Uint16Array(64);
    file.quantization[content[at++] & 15] = table;
    for (let one = 0; one < 64; one++, at += wide ? 2 : 1) table[ZIGZAG[one]] = wide ? (content[at] << 8) | content[at + 1] : content[at];
  }
}

function huffman(file, content) {
  for (let at = 0; at < content.length; ) {
    const kind = content[at] >> 4, number = content[at] & 15, counts = content.subarray(at + 1, at + 17);
    at += 17;
    // For each length: its first code, one past its last, and where its values begin. Codes up to 8 bits are looked up.
    const table = { first: new Int32Array(17), past: new Int32Array(17), start: new Int32Array(17), fast: new Int16Array(256).fill(-1) };
    let code = 0, total = 0;
    for (let length = 1; length <= 16; length++) {
      table.first[length] = code;
      table.start[length] = total;
      for (let one = 0; one < counts[length - 1]; one++, code++, total++) {
        if (length <= 8) table.fast.fill((length << 8) | content[at + total], code << (8 - length), (code + 1) << (8 - length));
      }
      table.past[length] = code;
      code <<= 1;
    }
    table.values = content.subarray(at, at + total);
    (kind ? file.ac : file.dc)[number] = table;
    at += total;
  }
}

/** Read one scan; return the place of what follows it. */
function scan(file, bytes, at, content) {
  if (!file.luma) throw new Error(DAMAGED);
  const parts = Array.from({ length: content[0] }, (_, number) => {
    const part = file.components.find((one) => one.id === content[1 + 2 * number]);
    if (!part) throw new Error(DAMAGED);
    return { part, dc: file.dc[content[2 + 2 * number] >> 4], ac: file.ac[content[2 + 2 * number] & 15], last: 0 };
  });
  const tail = 1 + 2 * content[0], from = content[tail], to = content[tail + 1], high = content[tail + 2] >> 4, low = content[tail + 2] & 15;
  file.scans++;
  if (!parts.some((one) => one.part === file.luma)) return skip(bytes, at);
  if (file.scans > 100) throw new OtherJpeg("JPEG of more than 100 scans.");
  const bits = new Bits(bytes, at), dummy = new Int16Array(64);
  const decode = !file.progressive ? baseline : from === 0 ? (high === 0 ? dcFirst : dcAgain) : high === 0 ? acFirst : acAgain;
  const state = { from, to: file.progressive ? to : 63, low, run: 0 };
  const single = parts.length === 1, wide = single ? parts[0].part.ownWide : file.mcusWide, count = wide * (single ? parts[0].part.ownHigh : file.mcusHigh);
  for (let mcu = 0; mcu < count; mcu++) {
    if (file.interval && mcu && mcu % file.interval === 0) {
      bits.restart();
      state.run = 0;
      for (const one of parts) one.last = 0;
    }
    const row = Math.floor(mcu / wide), column = mcu % wide;
    for (const one of parts) {
      const { part } = one, isLuma = part === file.luma, h = single ? 1 : part.h, v = single ? 1 : part.v;
      for (let y = 0; y < v; y++) {
        for (let x = 0; x < h; x++) {
          const start = isLuma ? 64 * ((row * v + y) * part.blocksWide + column * h + x) : 0;
          if (!isLuma) dummy.fill(0);
          decode(bits, isLuma ? part.coefficients : dummy, start, one, state);
        }
      }
    }
  }
  return bits.end();
}

function skip(bytes, at) {
  while (at + 1 < bytes.length && !(bytes[at] === 0xff && bytes[at + 1] !== 0 && !(bytes[at + 1] >= 0xd0 && bytes[at + 1] <= 0xd7))) at++;
  return at;
}

/** The bits of a scan; a zero byte after 255 is none of them. */
class Bits {
  constructor(bytes, at) { Object.assign(this, { bytes, at, held: 0, count: 0, beyond: 0 }); }

  fill() {
    while (this.count <= 16) {
      let byte = 0;
      if (this.at < this.bytes.length && !(this.bytes[this.at] === 0xff && this.bytes[this.at + 1] !== 0)) {
        byte = this.bytes[this.at];
        this.at += byte === 0xff ? 2 : 1;
      } else if (++this.beyond > 4) throw new Error(DAMAGED); // no more than what is held ahead
      this.held = ((this.held << 8) | byte) & 0xffffff;
      this.count += 8;
    }
  }

  bit() {
    if (this.count < 1) this.fill();
    return (this.held >> --this.count) & 1;
  }

  take(size) {
    if (size === 0) return 0;
    if (this.count < size) this.fill();
    this.count -= size;
    return (this.held >> this.count) & ((1 << size) - 1);
  }

  /** A number of so many bits with its sign (T.81, F.2.2.1). */
  signed(size) {
    const value = this.take(size);
    return size && value < 1 << (size - 1) ? value - (1 << size) + 1 : value;
  }

  symbol(table) {
    if (!table) throw new Error(DAMAGED);
    if (this.count < 16) this.fill();
    const found = table.fast[(this.held >> (this.count - 8)) & 255];
    if (found >= 0) {
      this.count -= found >> 8;
      return found & 255;
    }
    for (let length = 9; length <= 16; length++) {
      const code = (this.held >> (this.count - length)) & ((1 << length) - 1);
      if (code < table.past[length]) {
        this.count -= length;
        return table.values[table.start[length] + code - table.first[length]];
      }
    }
    throw new Error(DAMAGED);
  }

  restart() {
    this.check();
    while (this.at + 1 < this.bytes.length && !(this.bytes[this.at] === 0xff && this.bytes[this.at + 1] !== 0xff)) this.at++;
    const marker = this.bytes[this.at + 1];
    if (!(marker >= 0xd0 && marker <= 0xd7)) throw new Error(DAMAGED);
    this.at += 2;
    this.held = this.count = this.beyond = 0;
  }

  /** Refuse a scan of which bits were read that are not there. */
  check() {
    if (this.beyond * 8 > this.count) throw new Error(DAMAGED);
  }

  end() {
    this.check();
    return skip(this.bytes, this.at);
  }
}

function baseline(bits, out, start, one) {
  one.last += bits.signed(bits.symbol(one.dc));
  out[start] = one.last;
  for (let at = 1; at < 64; at++) {
    const symbol = bits.symbol(one.ac), size = symbol & 15, run = symbol >> 4;
    if (size === 0) {
      if (run < 15) return;
      at += 15;
      continue;
    }
    at += run;
    if (at > 63) throw new Error(DAMAGED);
    out[start + ZIGZAG[at]] = bits.signed(size);
  }
}

function dcFirst(bits, out, start, one, { low }) {
  one.last += bits.signed(bits.symbol(one.dc));
  out[start] = one.last << low;
}

function dcAgain(bits, out, start, one, { low }) {
  if (bits.bit()) out[start] |= 1 << low;
}

function acFirst(bits, out, start, one, state) {
  if (state.run > 0) {
    state.run--;
    return;
  }
  for (let at = state.from; at <= state.to; at++) {
    const symbol = bits.symbol(one.ac), size = symbol & 15, run = symbol >> 4;
    if (size === 0) {
      if (run < 15) {
        state.run = (1 << run) - 1 + bits.take(run);
        return;
      }
      at += 15;
      continue;
    }
    at += run;
    if (at > 63) throw new Error(DAMAGED);
    out[start + ZIGZAG[at]] = bits.signed(size) * (1 << state.low);
  }
}

function acAgain(bits, out, start, one, state) {
  const step = 1 << state.low;
  let at = state.from;
  const refine = (place) => {
    if (bits.bit() && (Math.abs(out[place]) & step) === 0) out[place] += out[place] >= 0 ? step : -step;
  };
  if (state.run === 0) {
    for (; at <= state.to; at++) {
      const symbol = bits.symbol(one.ac), size = symbol & 15;
      let run = symbol >> 4, value = 0;
      if (size) value = bits.bit() ? step : -step;
      else if (run < 15) {
        state.run = (1 << run) + bits.take(run);
        break;
      }
      for (; at <= state.to; at++) {
        const place = start + ZIGZAG[at];
        if (out[place] !== 0) refine(place);
        else if (run-- === 0) {
          if (value) out[place] = value;
          break;
        }
      }
    }
  }
  if (state.run > 0) {
    for (; at <= state.to; at++) {
      const place = start + ZIGZAG[at];
      if (out[place] !== 0) refine(place);
    }
    state.run--;
  }
}

// ---------------------------------------------------------------- inverse transforms

const end = (value, last) => (!last ? value : value < -128 ? 0 : value > 127 ? 255 : value + 128);
const clamp = (value) => (value < -128 ? 0 : value > 127 ? 255 : value + 128);
const round = (value, bits) => (value + 2 ** (bits - 1)) >> bits;

/** Loeffler's 8-point transform along both sides (libjpeg, jidctint.c). */
function transform8(block, out, start, rowSize) {
  for (let column = 0; column < 8; column++) along8(block, column, 8, 11, block, column, 8, false);
  for (let row = 0; row < 8; row++) along8(block, 8 * row, 1, 18, out, start + row * rowSize, 1, true);
}

function along8(from, at, step, bits, to, place, stride, last) {
  let z2 = from[at + 2 * step], z3 = from[at + 6 * step], z1 = (z2 + z3) * 4433;
  const even2 = z1 - z3 * 15137, even3 = z1 + z2 * 6270;
  const even0 = (from[at] + from[at + 4 * step]) * 8192, even1 = (from[at] - from[at + 4 * step]) * 8192;
  const t10 = even0 + even3, t13 = even0 - even3, t11 = even1 + even2, t12 = even1 - even2;
  let t0 = from[at + 7 * step], t1 = from[at + 5 * step], t2 = from[at + 3 * step], t3 = from[at + step];
  z1 = (t0 + t3) * -7373;
  z2 = (t1 + t2) * -20995;
  z3 = t0 + t2;
  let z4 = t1 + t3;
  const z5 = (z3 + z4) * 9633;
  z3 = z3 * -16069 + z5;
  z4 = z4 * -3196 + z5;
  t0 = t0 * 2446 + z1 + z3;
  t1 = t1 * 16819 + z2 + z4;
  t2 = t2 * 25172 + z2 + z3;
  t3 = t3 * 12299 + z1 + z4;
  // Not a list and a loop: a photograph has three million of these.
  const half = 1 << (bits - 1), low = place + stride, high = place + 7 * stride;
  to[place] = end((t10 + t3 + half) >> bits, last);
  to[low] = end((t11 + t2 + half) >> bits, last);
  to[low + stride] = end((t12 + t1 + half) >> bits, last);
  to[low + 2 * stride] = end((t13 + t0 + half) >> bits, last);
  to[low + 3 * stride] = end((t13 - t0 + half) >> bits, last);
  to[low + 4 * stride] = end((t12 - t1 + half) >> bits, last);
  to[low + 5 * stride] = end((t11 - t2 + half) >> bits, last);
  to[high] = end((t10 - t3 + half) >> bits, last);
}

/** To 4 x 4 pixels (libjpeg, jidctred.c). */
function transform4(block, out, start, rowSize) {
  for (let column = 0; column < 8; column++) if (column !== 4) along4(block, column, 8, 12, block, column, 8, false);
  for (let row = 0; row < 4; row++) along4(block, 8 * row, 1, 19, out, start + row * rowSize, 1, true);
}

function along4(from, at, step, bits, to, place, stride, last) {
  const dc = from[at] * 16384, even = from[at + 2 * step] * 15137 - from[at + 6 * step] * 6270;
  const z1 = from[at + 7 * step], z2 = from[at + 5 * step], z3 = from[at + 3 * step], z4 = from[at + step];
  const t0 = z1 * -1730 + z2 * 11893 + z3 * -17799 + z4 * 8697, t2 = z1 * -4176 + z2 * -4926 + z3 * 7373 + z4 * 20995;
  const values = [dc + even + t2, dc - even + t0, dc - even - t0, dc + even - t2];
  for (let one = 0; one < 4; one++) to[place + one * stride] = last ? clamp(round(values[one], bits)) : round(values[one], bits);
}

/** To 2 x 2 pixels (libjpeg, jidctred.c). */
function transform2(block, out, start, rowSize) {
  for (const column of [0, 1, 3, 5, 7]) along2(block, column, 8, 13, block, column, 8, false);
  for (let row = 0; row < 2; row++) along2(block, 8 * row, 1, 20, out, start + row * rowSize, 1, true);
}

function along2(from, at, step, bits, to, place, stride, last) {
  const dc = from[at] * 32768;
  const odd = from[at + 7 * step] * -5906 + from[at + 5 * step] * 6967 + from[at + 3 * step] * -10426 + from[at + step] * 29692;
  for (const [one, value] of [[0, dc + odd], [1, dc - odd]]) to[place + one * stride] = last ? clamp(round(value, bits)) : round(value, bits);
}

function transform1(block, out, start) {
  out[start] = clamp(round(block[0], 3));
}
