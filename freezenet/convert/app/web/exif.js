// The orientation that a camera wrote into a file.

/** EXIF orientation, 1 to 8, of a TIFF structure (with or without "Exif" in front); 1 where none is told. */
export function exifOrientation(bytes) {
  const start = String.fromCharCode(...bytes.subarray(0, 4)) === "Exif" ? 6 : 0;
  if (bytes.length < start + 14) return 1;
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, bytes.byteLength - start);
  const little = view.getUint16(0) === 0x4949;
  if ((!little && view.getUint16(0) !== 0x4d4d) || view.getUint16(2, little) !== 42) return 1;
  const list = view.getUint32(4, little);
  if (list + 2 > view.byteLength) return 1;
  for (let entry = 0; entry < view.getUint16(list, little); entry++) {
    const at = list + 2 + 12 * entry;
    if (at + 12 > view.byteLength) return 1;
    if (view.getUint16(at, little) !== 0x0112) continue;
    const value = view.getUint16(at + 8, little);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}
