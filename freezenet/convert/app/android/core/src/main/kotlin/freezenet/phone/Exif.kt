package freezenet.phone

import java.nio.ByteBuffer
import java.nio.ByteOrder

/** EXIF orientation, 1 to 8, of a TIFF structure (with or without "Exif" in front); 1 where none is told. */
fun exifOrientation(bytes: ByteArray): Int {
    val start = if (bytes.size > 6 && String(bytes, 0, 4, Charsets.ISO_8859_1) == "Exif") 6 else 0
    if (bytes.size < start + 14) return 1
    val view = ByteBuffer.wrap(bytes, start, bytes.size - start).slice()
    val order = view.getShort(0).toInt()
    if (order != 0x4949 && order != 0x4D4D) return 1
    view.order(if (order == 0x4949) ByteOrder.LITTLE_ENDIAN else ByteOrder.BIG_ENDIAN)
    if (view.getShort(2).toInt() != 42) return 1
    val list = view.getInt(4)
    if (list < 0 || list + 2 > view.limit()) return 1
    for (entry in 0 until (view.getShort(list).toInt() and 0xFFFF)) {
        val at = list + 2 + 12 * entry
        if (at + 12 > view.limit()) return 1
        if (view.getShort(at).toInt() == 0x0112) return view.getShort(at + 8).toInt().let { if (it in 1..8) it else 1 }
    }
    return 1
}
