package freezenet.phone

import kotlin.math.floor
import kotlin.math.max
import kotlin.math.min

/**
 * A class activation map laid over an image, as ARGB colours of the same size. Never show one where the reason is NOT_CHEST.
 *
 * cam: the model's output [1, rows, columns, classes]; label: number of the class, as `Card.mapped` says.
 */
fun GrayImage.overlaid(cam: FloatArray, rows: Int, columns: Int, classes: Int, label: Int): IntArray {
    val heat = DoubleArray(rows * columns) { max(0.0, cam[it * classes + label].toDouble()) }
    val largest = max(heat.max(), Double.MIN_VALUE)
    val across = Cubic(columns, width)
    val down = Cubic(rows, height)
    val lines = DoubleArray(rows * width)
    for (row in 0 until rows) {
        for (x in 0 until width) {
            for (k in 0 until 4) lines[row * width + x] += across.share[4 * x + k] * heat[row * columns + across.place[4 * x + k]] / largest
        }
    }
    return IntArray(width * height) {
        val x = it % width
        val y = it / width
        var value = 0.0
        for (k in 0 until 4) value += down.share[4 * y + k] * lines[down.place[4 * y + k] * width + x]
        value = min(1.0, max(0.0, value))
        val color = 3 * Math.rint(255 * value).toInt()
        val gray = at(x, y) * (1 - 0.5 * value)
        fun mixed(channel: Int) = Math.rint(gray + TURBO[color + channel] * 0.5 * value).toInt()
        (255 shl 24) or (mixed(0) shl 16) or (mixed(1) shl 8) or mixed(2)
    }
}

/** Bicubic interpolation with a = -.75 between pixel centres; beyond the edge, the edge goes on. */
private class Cubic(source: Int, target: Int) {
    val place = IntArray(4 * target)
    val share = DoubleArray(4 * target)

    init {
        val a = -0.75
        fun near(d: Double) = ((a + 2) * d - (a + 3)) * d * d + 1
        fun far(d: Double) = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        for (cell in 0 until target) {
            val at = (cell + 0.5) * source / target - 0.5
            val first = floor(at).toInt()
            val t = at - first
            doubleArrayOf(far(1 + t), near(t), near(1 - t), far(2 - t)).forEachIndexed { k, one ->
                share[4 * cell + k] = one
                place[4 * cell + k] = min(source - 1, max(0, first - 1 + k))
            }
        }
    }
}

/** Google's colour map Turbo, 256 times red, green, blue (Apache-2.0; Mikhailov 2019). */
private val TURBO = TURBO_HEX.chunked(2).map { it.toInt(16) }.toIntArray()

private const val TURBO_HEX =
    "30123b32154333184a341b51351e5836215f37246638276d392a733a2d793b2f803c32863d358b3e38913f3b973f3e9c4040a24143a74146ac4249b1424bb543" +
        "4eba4451bf4454c34456c74559cb455ccf455ed34661d64664da4666dd4669e0466be3476ee64771e94773eb4776ee4778f0477bf2467df44680f64682f84685" +
        "fa4687fb458afc458cfd448ffe4391fe4294ff4196ff4099ff3e9bfe3d9efe3ba0fd3aa3fc38a5fb37a8fa35abf833adf731aff52fb2f42eb4f22cb7f02ab9ee" +
        "28bceb27bee925c0e723c3e422c5e220c7df1fc9dd1ecbda1ccdd81bd0d51ad2d21ad4d019d5cd18d7ca18d9c818dbc518ddc218dec018e0bd19e2bb19e3b91a" +
        "e4b61ce6b41de7b21fe9af20eaac22ebaa25eca727eea42aefa12cf09e2ff19b32f29835f39438f4913cf58e3ff68a43f78746f8844af8804ef97d52fa7a55fa" +
        "7659fb735dfc6f61fc6c65fd6969fd666dfe6271fe5f75fe5c79fe597dff5680ff5384ff5188ff4e8bff4b8fff4992ff4796fe4499fe429cfe409ffd3fa1fd3d" +
        "a4fc3ca7fc3aa9fb39acfb38affa37b1f936b4f836b7f735b9f635bcf534bef434c1f334c3f134c6f034c8ef34cbed34cdec34d0ea34d2e935d4e735d7e535d9" +
        "e436dbe236dde037dfdf37e1dd37e3db38e5d938e7d739e9d539ebd339ecd13aeecf3aefcd3af1cb3af2c93af4c73af5c53af6c33af7c13af8be39f9bc39faba" +
        "39fbb838fbb637fcb336fcb136fdae35fdac34fea933fea732fea431fea130fe9e2ffe9b2dfe992cfe962bfe932afe9029fd8d27fd8a26fc8725fc8423fb8122" +
        "fb7e21fa7b1ff9781ef9751df8721cf76f1af66c19f56918f46617f36315f26014f15d13f05b12ef5811ed5510ec530feb500eea4e0de84b0ce7490ce5470be4" +
        "450ae2430ae14109df3f08dd3d08dc3b07da3907d83706d63506d43305d23105d02f05ce2d04cc2b04ca2a04c82803c52603c32503c12302be2102bc2002b91e" +
        "02b71d02b41b01b21a01af1801ac1701a91601a71401a41301a112019e10019b0f01980e01950d01920b018e0a018b09028808028507028106027e05027a0403"
