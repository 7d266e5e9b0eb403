package freezenet.phone

import kotlin.math.floor
import kotlin.math.hypot
import kotlin.math.max
import kotlin.math.min

/** Refuse a picture that is smaller or larger than the reference reads, before memory is taken for it. */
fun checkSize(width: Int, height: Int) {
    require(min(width, height) >= 32) { "The picture is too small: $width × $height pixels; 32 × 32 are required." }
    require(width.toLong() * height <= 100_000_000) { "The picture has more than 100 million pixels: $width × $height." }
}

/** Gray values, one byte a pixel, row by row. */
class GrayImage(val data: ByteArray, val width: Int, val height: Int) {
    init {
        require(data.size == width * height) { "As many bytes as pixels are required." }
    }

    internal fun at(x: Int, y: Int) = data[y * width + x].toInt() and 255

    /** Turned by an EXIF orientation, 1 to 8. */
    fun upright(orientation: Int): GrayImage {
        if (orientation !in 2..8) return this
        val turned = orientation >= 5
        val wide = if (turned) height else width
        val high = if (turned) width else height
        val flipX = orientation in listOf(2, 3, 7, 8)
        val flipY = orientation in listOf(3, 4, 6, 7)
        val out = ByteArray(data.size)
        for (y in 0 until high) {
            for (x in 0 until wide) {
                var column = if (turned) y else x
                var row = if (turned) x else y
                if (flipX) column = width - 1 - column
                if (flipY) row = height - 1 - row
                out[y * wide + x] = data[row * width + column]
            }
        }
        return GrayImage(out, wide, high)
    }

    /**
     * A quadrilateral seen from the front, for a film in a photograph.
     *
     * corners: (x, y) in pixels, clockwise from the film's upper left corner; longest: largest side of the result.
     */
    fun straighten(corners: List<Pair<Double, Double>>, longest: Int = 2048): GrayImage {
        val (p, q, r, s) = corners
        fun length(one: Pair<Double, Double>, other: Pair<Double, Double>) = hypot(other.first - one.first, other.second - one.second)
        val across = max(length(p, q), length(s, r))
        val down = max(length(p, s), length(q, r))
        val shrink = min(1.0, longest / max(across, down))
        val wide = max(1, floor(across * shrink + 0.5).toInt())
        val high = max(1, floor(down * shrink + 0.5).toInt())
        // The projective map of the unit square onto the corners (Heckbert, Fundamentals of Texture Mapping, 1989, section 2.2.3).
        val sx = p.first - q.first + r.first - s.first
        val sy = p.second - q.second + r.second - s.second
        val dx1 = q.first - r.first
        val dx2 = s.first - r.first
        val dy1 = q.second - r.second
        val dy2 = s.second - r.second
        val area = dx1 * dy2 - dx2 * dy1
        require(area > 1e-9 || area < -1e-9) { "Four corners that span an area are required. Got: corners on one line." }
        val g = (sx * dy2 - dx2 * sy) / area
        val h = (dx1 * sy - sx * dy1) / area
        val a = q.first - p.first + g * q.first
        val b = s.first - p.first + h * s.first
        val d = q.second - p.second + g * q.second
        val e = s.second - p.second + h * s.second
        val out = ByteArray(wide * high)
        for (row in 0 until high) {
            for (column in 0 until wide) {
                val u = (column + 0.5) / wide
                val v = (row + 0.5) / high
                val w = g * u + h * v + 1
                out[row * wide + column] = between((a * u + b * v + p.first) / w - 0.5, (d * u + e * v + p.second) / w - 0.5)
            }
        }
        return GrayImage(out, wide, high)
    }

    private fun between(column: Double, row: Double): Byte {
        val x = min(width - 1.0, max(0.0, column))
        val y = min(height - 1.0, max(0.0, row))
        val left = x.toInt()
        val top = y.toInt()
        val right = min(left + 1, width - 1)
        val bottom = min(top + 1, height - 1)
        val s = x - left
        val t = y - top
        val upper = at(left, top) * (1 - s) + at(right, top) * s
        val lower = at(left, bottom) * (1 - s) + at(right, bottom) * s
        return floor(upper * (1 - t) + lower * t + 0.5).toInt().toByte()
    }

    companion object {
        /**
         * Corners moved inwards by a share of the film's size on each side: a frame that lies a little outside of the film's edge makes a
         * refusal likely, one that lies a little inside costs next to nothing (docs/phone.md).
         */
        fun inside(corners: List<Pair<Double, Double>>, share: Double = 0.005): List<Pair<Double, Double>> {
            val x = corners.sumOf { it.first } / corners.size
            val y = corners.sumOf { it.second } / corners.size
            return corners.map { it.first + (x - it.first) * 2 * share to it.second + (y - it.second) * 2 * share }
        }

        /** Luminance of colours as Android's Bitmap.getPixels gives them (ARGB_8888), which are read over black. */
        fun ofArgb(colors: IntArray, width: Int, height: Int): GrayImage {
            val out = ByteArray(colors.size)
            for (at in colors.indices) {
                val color = colors[at]
                var red = (color shr 16) and 255
                var green = (color shr 8) and 255
                var blue = color and 255
                val alpha = color ushr 24
                if (alpha != 255) {
                    val weight = (alpha / 255.0).toFloat()
                    red = Math.rint((red * weight).toDouble()).toInt()
                    green = Math.rint((green * weight).toDouble()).toInt()
                    blue = Math.rint((blue * weight).toDouble()).toInt()
                }
                out[at] = ((9798 * red + 19235 * green + 3735 * blue + 16384) shr 15).toByte()
            }
            return GrayImage(out, width, height)
        }

        /** Gray values from a luminance plane whose rows are `stride` bytes apart (android.media.Image, plane 0). */
        fun ofPlane(plane: ByteArray, width: Int, height: Int, stride: Int = width): GrayImage {
            val out = ByteArray(width * height)
            for (y in 0 until height) plane.copyInto(out, y * width, y * stride, y * stride + width)
            return GrayImage(out, width, height)
        }
    }
}
