// From a picture file to gray values in a browser: PNG and JPEG in code, to the bit; what else the browser opens, by the browser.

import { checkSize, grayFromRgba, WrongSize } from "./core.js";
import { isJpeg, OtherJpeg, readJpeg } from "./jpeg.js";
import { isPng, readPng } from "./png.js";

/** A sentence for the user. */
export class Unreadable extends Error {}

/**
 * Gray values {data, width, height, exact} of a picture file, upright.
 *
 * size: [height, width] of the network's input, for which a large JPEG is decoded smaller; null: as large as it is.
 * exact: whether the pixels are those of the reference; a browser applies colour profiles and rounds.
 */
export async function decode(file, size) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const name = kind(bytes);
  let image = null;
  try {
    if (isPng(bytes)) image = await readPng(bytes);
    else if (isJpeg(bytes)) image = readJpeg(bytes, size);
  } catch (error) {
    if (error instanceof WrongSize) throw new Unreadable(error.message);
    if (!(error instanceof OtherJpeg)) throw new Unreadable(`The file is damaged or cut off. Copy it again. (${error.message})`);
  }
  if (name === "DICOM") throw new Unreadable("This is a DICOM file. Export it as PNG or JPEG from the X-ray viewer first.");
  return image ? { ...image, exact: true } : { ...(await byBrowser(file, name)), exact: false };
}

async function byBrowser(file, name) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none", imageOrientation: "from-image" });
  } catch {
    throw new Unreadable(`This browser cannot open ${name ? `${name} files` : "this file"}. Choose a JPEG or PNG picture.`);
  }
  const { width, height } = bitmap;
  try {
    checkSize(width, height);
  } catch (error) {
    throw new Unreadable(error.message);
  }
  const canvas = new OffscreenCanvas(width, height), pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { data: grayFromRgba(pen.getImageData(0, 0, width, height).data), width, height };
}

function kind(bytes) {
  const at = (from, to) => String.fromCharCode(...bytes.subarray(from, to));
  if (at(128, 132) === "DICM") return "DICOM";
  if (at(4, 8) === "ftyp") return { avi: "AVIF", hei: "HEIC", hev: "HEIC", mif: "HEIC", msf: "HEIC" }[at(8, 11)] ?? "video";
  if (at(0, 2) === "II" || at(0, 2) === "MM") return "TIFF";
  if (at(0, 4) === "%PDF") return "PDF";
  return null;
}
