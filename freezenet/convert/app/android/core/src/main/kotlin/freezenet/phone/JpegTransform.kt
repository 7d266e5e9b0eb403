package freezenet.phone

/**
 * The inverse cosine transform of a block to side x side pixels, side 8, 4, 2 or 1: those of libjpeg (jidctint.c, jidctred.c), to the bit.
 *
 * block: 64 coefficients, row by row; it is written to.
 */
internal fun inverseTransform(block: IntArray, side: Int, out: ByteArray, start: Int, rowSize: Int) {
    if (side == 1) {
        out[start] = clamped(round(block[0], 3))
        return
    }
    val values = IntArray(side)
    val (first, second) = when (side) {
        8 -> 11 to 18
        4 -> 12 to 19
        else -> 13 to 20
    }
    for (column in 0 until 8) {
        // The smaller transforms leave out what they do not read.
        if ((side == 4 && column == 4) || (side == 2 && column != 0 && column % 2 == 0)) continue
        along(block, column, 8, side, values)
        for (one in 0 until side) block[column + 8 * one] = round(values[one], first)
    }
    for (row in 0 until side) {
        along(block, 8 * row, 1, side, values)
        for (one in 0 until side) out[start + row * rowSize + one] = clamped(round(values[one], second))
    }
}

private fun along(from: IntArray, at: Int, step: Int, side: Int, to: IntArray) = when (side) {
    8 -> along8(from, at, step, to)
    4 -> along4(from, at, step, to)
    else -> along2(from, at, step, to)
}

private fun along8(from: IntArray, at: Int, step: Int, to: IntArray) {
    var z2 = from[at + 2 * step]
    var z3 = from[at + 6 * step]
    var z1 = (z2 + z3) * 4433
    val even2 = z1 - z3 * 15137
    val even3 = z1 + z2 * 6270
    val even0 = (from[at] + from[at + 4 * step]) shl 13
    val even1 = (from[at] - from[at + 4 * step]) shl 13
    var t0 = from[at + 7 * step]
    var t1 = from[at + 5 * step]
    var t2 = from[at + 3 * step]
    var t3 = from[at + step]
    z1 = (t0 + t3) * -7373
    z2 = (t1 + t2) * -20995
    z3 = t0 + t2
    var z4 = t1 + t3
    val z5 = (z3 + z4) * 9633
    z3 = z3 * -16069 + z5
    z4 = z4 * -3196 + z5
    t0 = t0 * 2446 + z1 + z3
    t1 = t1 * 16819 + z2 + z4
    t2 = t2 * 25172 + z2 + z3
    t3 = t3 * 12299 + z1 + z4
    to[0] = even0 + even3 + t3
    to[1] = even1 + even2 + t2
    to[2] = even1 - even2 + t1
    to[3] = even0 - even3 + t0
    to[4] = even0 - even3 - t0
    to[5] = even1 - even2 - t1
    to[6] = even1 + even2 - t2
    to[7] = even0 + even3 - t3
}

private fun along4(from: IntArray, at: Int, step: Int, to: IntArray) {
    val dc = from[at] shl 14
    val even = from[at + 2 * step] * 15137 - from[at + 6 * step] * 6270
    val z1 = from[at + 7 * step]
    val z2 = from[at + 5 * step]
    val z3 = from[at + 3 * step]
    val z4 = from[at + step]
    val t0 = z1 * -1730 + z2 * 11893 + z3 * -17799 + z4 * 8697
    val t2 = z1 * -4176 + z2 * -4926 + z3 * 7373 + z4 * 20995
    to[0] = dc + even + t2
    to[1] = dc - even + t0
    to[2] = dc - even - t0
    to[3] = dc + even - t2
}

private fun along2(from: IntArray, at: Int, step: Int, to: IntArray) {
    val dc = from[at] shl 15
    val odd = from[at + 7 * step] * -5906 + from[at + 5 * step] * 6967 + from[at + 3 * step] * -10426 + from[at + step] * 29692
    to[0] = dc + odd
    to[1] = dc - odd
}

private fun round(value: Int, bits: Int) = (value + (1 shl (bits - 1))) shr bits

private fun clamped(value: Int) = (if (value < -128) 0 else if (value > 127) 255 else value + 128).toByte()
