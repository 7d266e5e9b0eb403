package freezenet.phone

import kotlin.math.abs
import kotlin.math.ceil
import kotlin.math.floor
import kotlin.math.max
import kotlin.math.min

/** Area averaging, to the bit as OpenCV's INTER_AREA: gray values of `rows` x `columns`. Never Bitmap.createScaledBitmap. */
fun GrayImage.resizeArea(rows: Int, columns: Int): ByteArray {
    if (width == columns && height == rows) return data
    // Twice a reciprocal, as the reference has it: 49 times is a hair more than 49 then.
    val scaleX = 1 / (columns.toDouble() / width)
    val scaleY = 1 / (rows.toDouble() / height)
    if (scaleX < 1 || scaleY < 1) return enlarged(rows, columns, scaleX, scaleY)
    fun isWhole(scale: Double) = abs(scale - Math.rint(scale)) < Math.ulp(1.0)
    if (isWhole(scaleX) && isWhole(scaleY)) return whole(rows, columns, Math.rint(scaleX).toInt(), Math.rint(scaleY).toInt())
    val across = Shares(width, columns, scaleX)
    val down = Shares(height, rows, scaleY)
    val out = ByteArray(rows * columns)
    val line = FloatArray(columns)
    val sum = FloatArray(columns)
    var last = 0
    fun store() {
        for (x in 0 until columns) out[last * columns + x] = saturated(Math.rint(sum[x].toDouble()).toInt())
    }
    for (one in 0 until down.count) {
        line.fill(0f)
        val start = down.from[one] * width
        for (k in 0 until across.count) line[across.to[k]] += (data[start + across.from[k]].toInt() and 255) * across.share[k]
        val share = down.share[one]
        if (down.to[one] != last) {
            store()
            for (x in 0 until columns) sum[x] = share * line[x]
            last = down.to[one]
        } else {
            for (x in 0 until columns) sum[x] += share * line[x]
        }
    }
    store()
    return out
}

/** Which source pixels a target pixel covers, and with which share, along one side. */
private class Shares(source: Int, target: Int, scale: Double) {
    val from = IntArray(source + 2 * target)
    val to = IntArray(source + 2 * target)
    val share = FloatArray(source + 2 * target)
    var count = 0

    init {
        for (cell in 0 until target) {
            val begin = cell * scale
            val end = begin + scale
            val wide = min(scale, source - begin)
            val last = min(floor(end).toInt(), source - 1)
            val first = min(ceil(begin).toInt(), last)
            if (first - begin > 1e-3) add(first - 1, cell, (first - begin) / wide)
            for (place in first until last) add(place, cell, 1 / wide)
            if (end - last > 1e-3) add(last, cell, min(min(end - last, 1.0), wide) / wide)
        }
    }

    private fun add(place: Int, cell: Int, part: Double) {
        from[count] = place
        to[count] = cell
        share[count++] = part.toFloat()
    }
}

private fun GrayImage.whole(rows: Int, columns: Int, scaleX: Int, scaleY: Int): ByteArray {
    val share = (1 / (scaleX * scaleY).toFloat().toDouble()).toFloat()
    val isHalf = scaleX == 2 && scaleY == 2
    return ByteArray(rows * columns) { cell ->
        var sum = 0
        for (y in cell / columns * scaleY until (cell / columns + 1) * scaleY) {
            for (x in cell % columns * scaleX until (cell % columns + 1) * scaleX) sum += at(x, y)
        }
        if (isHalf) ((sum + 2) shr 2).toByte() else saturated(Math.rint((sum * share).toDouble()).toInt())
    }
}

/** Where a side grows, both are interpolated, with weights of 11 bits. */
private fun GrayImage.enlarged(rows: Int, columns: Int, scaleX: Double, scaleY: Double): ByteArray {
    val across = Weights(width, columns, scaleX, true)
    val down = Weights(height, rows, scaleY, false)
    return ByteArray(rows * columns) { cell ->
        val y = cell / columns
        val x = cell % columns
        val upper = min(down.from[y], height - 1)
        val lower = min(down.from[y] + 1, height - 1)
        val left = across.from[x]
        val right = min(left + 1, width - 1)
        val top = at(left, upper) * across.first[x] + at(right, upper) * across.second[x]
        val bottom = at(left, lower) * across.first[x] + at(right, lower) * across.second[x]
        saturated((((down.first[y] * (top shr 4)) shr 16) + ((down.second[y] * (bottom shr 4)) shr 16) + 2) shr 2)
    }
}

private class Weights(source: Int, target: Int, scale: Double, isRow: Boolean) {
    val from = IntArray(target)
    val first = IntArray(target)
    val second = IntArray(target)

    init {
        val inverse = target.toDouble() / source
        for (cell in 0 until target) {
            var place = floor(cell * scale).toInt()
            var share = (cell + 1 - (place + 1) * inverse).toFloat()
            share = if (share <= 0) 0f else share - floor(share)
            // Along a row, the last pixel counts alone; down a column it keeps both weights, each of which is rounded.
            if (isRow && place >= source - 1) {
                place = source - 1
                share = 0f
            }
            from[cell] = place
            first[cell] = Math.rint(((1 - share) * 2048).toDouble()).toInt()
            second[cell] = Math.rint((share * 2048).toDouble()).toInt()
        }
    }
}

private fun saturated(value: Int) = max(0, min(255, value)).toByte()
