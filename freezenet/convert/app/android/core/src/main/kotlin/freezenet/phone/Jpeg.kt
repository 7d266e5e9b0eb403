package freezenet.phone

import kotlin.math.max
import kotlin.math.min

/** Thrown for kinds of JPEG that are whole but not read here; let BitmapFactory decode those (ARGB_8888, no inSampleSize). */
class OtherJpeg(message: String) : Exception(message)

/** Thrown for a file that is cut off or damaged. */
class DamagedJpeg : Exception("A whole JPEG file is required. Got: a truncated or damaged one.")

/**
 * The luminance of a JPEG file, to the bit: bitmaps hand out colours, which are rounded twice.
 *
 * Baseline and progressive, 8 bits, Huffman (ITU-T T.81). A file at least four times as large as the network's input is decoded at 1/2, 1/4
 * or 1/8 of its size, as the reference does.
 */
fun readJpeg(bytes: ByteArray, inputHeight: Int, inputWidth: Int): GrayImage {
    val file = JpegFile(bytes)
    val luma = file.luma
    val room = if (inputHeight > 0) min(file.width, file.height).toDouble() / max(inputHeight, inputWidth) else 0.0
    val factor = listOf(8, 4, 2).firstOrNull { room / it >= 2 } ?: 1
    val side = 8 / factor
    val rowSize = luma.blocksWide * side
    val plane = ByteArray(rowSize * luma.blocksHigh * side)
    val table = file.quantization[luma.table] ?: throw DamagedJpeg()
    val block = IntArray(64)
    for (row in 0 until luma.blocksHigh) {
        for (column in 0 until luma.blocksWide) {
            val start = 64 * (row * luma.blocksWide + column)
            for (at in 0 until 64) block[at] = luma.coefficients[start + at] * table[at]
            inverseTransform(block, side, plane, row * side * rowSize + column * side, rowSize)
        }
    }
    val wide = (file.width + factor - 1) / factor
    val high = (file.height + factor - 1) / factor
    return GrayImage.ofPlane(plane, wide, high, rowSize).upright(file.orientation)
}

/** Whether bytes begin as a JPEG file does. */
fun isJpeg(bytes: ByteArray) = bytes.size > 2 && bytes[0] == 0xFF.toByte() && bytes[1] == 0xD8.toByte()

internal class Component(val id: Int, var h: Int, var v: Int, val table: Int) {
    var blocksWide = 0
    var blocksHigh = 0
    var ownWide = 0
    var ownHigh = 0
    var coefficients = ShortArray(0)
}

/** For each length of code: its first, one past its last, and where its values begin; codes up to 8 bits are looked up. */
internal class HuffmanTable(content: ByteArray, at: Int) {
    val first = IntArray(17)
    val past = IntArray(17)
    val start = IntArray(17)
    val fast = IntArray(256) { -1 }
    val values: ByteArray

    init {
        var code = 0
        var total = 0
        for (length in 1..16) {
            first[length] = code
            start[length] = total
            repeat(content[at + length - 1].toInt() and 255) {
                if (length <= 8) {
                    val entry = (length shl 8) or (content[at + 16 + total].toInt() and 255)
                    fast.fill(entry, min(256, code shl (8 - length)), min(256, (code + 1) shl (8 - length)))
                }
                code++
                total++
            }
            past[length] = code
            code = code shl 1
        }
        values = content.copyOfRange(at + 16, at + 16 + total)
    }
}

internal class JpegFile(private val bytes: ByteArray) {
    val quantization = arrayOfNulls<IntArray>(16)
    var width = 0
    var height = 0
    var orientation = 1
    lateinit var luma: Component
    private val dc = arrayOfNulls<HuffmanTable>(16)
    private val ac = arrayOfNulls<HuffmanTable>(16)
    private var components = emptyList<Component>()
    private var interval = 0
    private var progressive = false
    private var mcusWide = 0
    private var mcusHigh = 0
    private var scans = 0
    private var adobe = -1

    init {
        try {
            parse()
        } catch (_: IndexOutOfBoundsException) {
            throw DamagedJpeg()
        }
        if (scans == 0) throw DamagedJpeg()
    }

    private fun byte(at: Int) = bytes[at].toInt() and 255

    private fun parse() {
        var at = 2
        while (true) {
            while (byte(at) != 0xFF) at++
            while (byte(at) == 0xFF) at++
            val marker = byte(at++)
            if (marker == 0xD9) return
            if (marker == 0 || marker == 1 || marker in 0xD0..0xD8) continue
            val size = (byte(at) shl 8) or byte(at + 1)
            if (size < 2 || at + size > bytes.size) throw DamagedJpeg()
            val content = bytes.copyOfRange(at + 2, at + size)
            at += size
            when (marker) {
                0xC0, 0xC1, 0xC2 -> frame(content, marker == 0xC2)
                0xC4 -> huffman(content)
                0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF -> throw OtherJpeg("Lossless or arithmetic JPEG.")
                0xDB -> quantization(content)
                0xDD -> interval = ((content[0].toInt() and 255) shl 8) or (content[1].toInt() and 255)
                0xE1 -> if (content.size > 2 && content[0] == 'E'.code.toByte() && content[1] == 'x'.code.toByte()) orientation = exifOrientation(content)
                0xEE -> if (content.size > 11 && String(content, 0, 5, Charsets.ISO_8859_1) == "Adobe") adobe = content[11].toInt() and 255
                0xDA -> at = scan(at, content)
            }
        }
    }

    private fun frame(content: ByteArray, isProgressive: Boolean) {
        val part = { at: Int -> content[at].toInt() and 255 }
        if (part(0) != 8) throw OtherJpeg("JPEG of other than 8 bits.")
        height = (part(1) shl 8) or part(2)
        width = (part(3) shl 8) or part(4)
        if (components.isNotEmpty() || width == 0 || height == 0) throw DamagedJpeg()
        checkSize(width, height)
        components = List(part(5)) { Component(part(6 + 3 * it), part(7 + 3 * it) shr 4, part(7 + 3 * it) and 15, part(8 + 3 * it)) }
        val isRgb = components.size == 3 && (adobe == 0 || (adobe < 0 && components.map { it.id } == listOf(82, 71, 66)))
        var maxH = components.maxOf { it.h }
        var maxV = components.maxOf { it.v }
        luma = components[0]
        if (components.size !in listOf(1, 3) || isRgb || luma.h != maxH || luma.v != maxV) throw OtherJpeg("JPEG of another colour model.")
        if (components.size == 1) {
            luma.h = 1
            luma.v = 1
            maxH = 1
            maxV = 1
        }
        progressive = isProgressive
        mcusWide = (width + 8 * maxH - 1) / (8 * maxH)
        mcusHigh = (height + 8 * maxV - 1) / (8 * maxV)
        for (one in components) {
            one.blocksWide = mcusWide * one.h
            one.blocksHigh = mcusHigh * one.v
            // A scan of one component has only the blocks that the picture covers.
            one.ownWide = ((width * one.h + maxH - 1) / maxH + 7) / 8
            one.ownHigh = ((height * one.v + maxV - 1) / maxV + 7) / 8
        }
        luma.coefficients = ShortArray(64 * luma.blocksWide * luma.blocksHigh)
    }

    private fun quantization(content: ByteArray) {
        var at = 0
        while (at < content.size) {
            val isWide = (content[at].toInt() and 255) shr 4 != 0
            val table = IntArray(64)
            quantization[content[at++].toInt() and 15] = table
            for (one in 0 until 64) {
                val high = content[at++].toInt() and 255
                table[ZIGZAG[one]] = if (isWide) (high shl 8) or (content[at++].toInt() and 255) else high
            }
        }
    }

    private fun huffman(content: ByteArray) {
        var at = 0
        while (at < content.size) {
            val kind = (content[at].toInt() and 255) shr 4
            val table = HuffmanTable(content, at + 1)
            (if (kind == 0) dc else ac)[content[at].toInt() and 15] = table
            at += 17 + table.values.size
        }
    }

    /** Read one scan; return the place of what follows it. */
    private fun scan(at: Int, content: ByteArray): Int {
        val part = { place: Int -> content[place].toInt() and 255 }
        if (components.isEmpty()) throw DamagedJpeg()
        val parts = List(part(0)) { number ->
            val found = components.firstOrNull { it.id == part(1 + 2 * number) } ?: throw DamagedJpeg()
            ScanPart(found, dc[part(2 + 2 * number) shr 4], ac[part(2 + 2 * number) and 15])
        }
        val tail = 1 + 2 * part(0)
        scans++
        if (parts.none { it.component === luma }) return afterScan(bytes, at)
        if (scans > 100) throw OtherJpeg("JPEG of more than 100 scans.")
        val bits = JpegBits(bytes, at)
        val coding = if (progressive) ProgressiveScan(part(tail), part(tail + 1), part(tail + 2) shr 4, part(tail + 2) and 15) else BaselineScan
        val unused = ShortArray(64)
        val isSingle = parts.size == 1
        val wide = if (isSingle) parts[0].component.ownWide else mcusWide
        val count = wide * if (isSingle) parts[0].component.ownHigh else mcusHigh
        for (mcu in 0 until count) {
            if (interval > 0 && mcu > 0 && mcu % interval == 0) {
                bits.restart()
                coding.restart()
                parts.forEach { it.last = 0 }
            }
            val row = mcu / wide
            val column = mcu % wide
            for (one in parts) {
                val h = if (isSingle) 1 else one.component.h
                val v = if (isSingle) 1 else one.component.v
                for (y in 0 until v) {
                    for (x in 0 until h) {
                        if (one.component === luma) {
                            coding.read(bits, luma.coefficients, 64 * ((row * v + y) * luma.blocksWide + column * h + x), one)
                        } else {
                            unused.fill(0)
                            coding.read(bits, unused, 0, one)
                        }
                    }
                }
            }
        }
        return bits.end()
    }
}
