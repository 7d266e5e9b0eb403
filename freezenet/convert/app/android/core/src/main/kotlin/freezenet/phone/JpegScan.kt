package freezenet.phone

import kotlin.math.abs

internal val ZIGZAG = intArrayOf(
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
)

/** A component of a scan, with its tables and its last DC value. */
internal class ScanPart(val component: Component, val dc: HuffmanTable?, val ac: HuffmanTable?) {
    var last = 0
}

/** The place of the next marker that is no restart. */
internal fun afterScan(bytes: ByteArray, from: Int): Int {
    var at = from
    while (at + 1 < bytes.size && !(bytes[at] == 0xFF.toByte() && bytes[at + 1] != 0.toByte() && (bytes[at + 1].toInt() and 255) !in 0xD0..0xD7)) at++
    return at
}

/** The bits of a scan; a zero byte after 255 is none of them. */
internal class JpegBits(private val bytes: ByteArray, private var at: Int) {
    private var held = 0
    private var count = 0
    private var beyond = 0

    private fun fill() {
        while (count <= 16) {
            var byte = 0
            if (at < bytes.size && !(bytes[at] == 0xFF.toByte() && (at + 1 >= bytes.size || bytes[at + 1] != 0.toByte()))) {
                byte = bytes[at].toInt() and 255
                at += if (byte == 0xFF) 2 else 1
            } else if (++beyond > 4) {
                throw DamagedJpeg() // no more than what is held ahead
            }
            held = ((held shl 8) or byte) and 0xFFFFFF
            count += 8
        }
    }

    fun bit(): Boolean = take(1) != 0

    fun take(size: Int): Int {
        if (size == 0) return 0
        if (count < size) fill()
        count -= size
        return (held shr count) and ((1 shl size) - 1)
    }

    /** A number of so many bits with its sign (T.81, F.2.2.1). */
    fun signed(size: Int): Int {
        val value = take(size)
        return if (size > 0 && value < 1 shl (size - 1)) value - (1 shl size) + 1 else value
    }

    fun symbol(table: HuffmanTable?): Int {
        if (table == null) throw DamagedJpeg()
        if (count < 16) fill()
        val found = table.fast[(held shr (count - 8)) and 255]
        if (found >= 0) {
            count -= found shr 8
            return found and 255
        }
        for (length in 9..16) {
            val code = (held shr (count - length)) and ((1 shl length) - 1)
            if (code < table.past[length]) {
                count -= length
                return table.values[table.start[length] + code - table.first[length]].toInt() and 255
            }
        }
        throw DamagedJpeg()
    }

    fun restart() {
        check()
        while (at + 1 < bytes.size && !(bytes[at] == 0xFF.toByte() && bytes[at + 1] != 0xFF.toByte())) at++
        if (at + 1 >= bytes.size || (bytes[at + 1].toInt() and 255) !in 0xD0..0xD7) throw DamagedJpeg()
        at += 2
        held = 0
        count = 0
        beyond = 0
    }

    /** Refuse a scan of which bits were read that are not there. */
    private fun check() {
        if (beyond * 8 > count) throw DamagedJpeg()
    }

    fun end(): Int {
        check()
        return afterScan(bytes, at)
    }
}

/** How the coefficients of one block are read. */
internal interface Coding {
    fun read(bits: JpegBits, out: ShortArray, start: Int, part: ScanPart)

    fun restart() = Unit
}

internal object BaselineScan : Coding {
    override fun read(bits: JpegBits, out: ShortArray, start: Int, part: ScanPart) {
        part.last += bits.signed(bits.symbol(part.dc))
        out[start] = part.last.toShort()
        var at = 1
        while (at < 64) {
            val symbol = bits.symbol(part.ac)
            val size = symbol and 15
            val run = symbol shr 4
            if (size == 0) {
                if (run < 15) return
                at += 16
                continue
            }
            at += run
            if (at > 63) throw DamagedJpeg()
            out[start + ZIGZAG[at++]] = bits.signed(size).toShort()
        }
    }
}

internal class ProgressiveScan(private val from: Int, private val to: Int, private val high: Int, private val low: Int) : Coding {
    private var run = 0

    override fun restart() {
        run = 0
    }

    override fun read(bits: JpegBits, out: ShortArray, start: Int, part: ScanPart) {
        when {
            from == 0 && high == 0 -> {
                part.last += bits.signed(bits.symbol(part.dc))
                out[start] = (part.last shl low).toShort()
            }
            from == 0 -> if (bits.bit()) out[start] = (out[start].toInt() or (1 shl low)).toShort()
            high == 0 -> first(bits, out, start, part)
            else -> again(bits, out, start, part)
        }
    }

    private fun first(bits: JpegBits, out: ShortArray, start: Int, part: ScanPart) {
        if (run > 0) {
            run--
            return
        }
        var at = from
        while (at <= to) {
            val symbol = bits.symbol(part.ac)
            val size = symbol and 15
            val zeros = symbol shr 4
            if (size == 0) {
                if (zeros < 15) {
                    run = (1 shl zeros) - 1 + bits.take(zeros)
                    return
                }
                at += 16
                continue
            }
            at += zeros
            if (at > 63) throw DamagedJpeg()
            out[start + ZIGZAG[at++]] = (bits.signed(size) * (1 shl low)).toShort()
        }
    }

    private fun again(bits: JpegBits, out: ShortArray, start: Int, part: ScanPart) {
        val step = 1 shl low
        var at = from
        if (run == 0) {
            outer@ while (at <= to) {
                val symbol = bits.symbol(part.ac)
                var zeros = symbol shr 4
                var value = 0
                if (symbol and 15 != 0) {
                    value = if (bits.bit()) step else -step
                } else if (zeros < 15) {
                    run = (1 shl zeros) + bits.take(zeros)
                    break@outer
                }
                while (at <= to) {
                    val place = start + ZIGZAG[at]
                    if (out[place].toInt() != 0) {
                        refine(bits, out, place, step)
                    } else if (zeros-- == 0) {
                        if (value != 0) out[place] = value.toShort()
                        break
                    }
                    at++
                }
                at++
            }
        }
        if (run > 0) {
            while (at <= to) {
                val place = start + ZIGZAG[at++]
                if (out[place].toInt() != 0) refine(bits, out, place, step)
            }
            run--
        }
    }

    private fun refine(bits: JpegBits, out: ShortArray, place: Int, step: Int) {
        val value = out[place].toInt()
        if (bits.bit() && abs(value) and step == 0) out[place] = (if (value >= 0) value + step else value - step).toShort()
    }
}
