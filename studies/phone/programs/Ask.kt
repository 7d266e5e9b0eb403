// Answers a JSON request on stdin with the Kotlin core, on a JVM; JSON on stdout.
import freezenet.phone.Answer
import freezenet.phone.Card
import freezenet.phone.GoldenCheck
import freezenet.phone.GrayImage
import freezenet.phone.Outputs
import freezenet.phone.associated
import freezenet.phone.isJpeg
import freezenet.phone.overlaid
import freezenet.phone.readJpeg
import freezenet.phone.resizeArea
import org.json.JSONArray
import org.json.JSONObject
import java.awt.image.BufferedImage
import java.io.File
import java.security.MessageDigest
import java.util.Base64
import javax.imageio.ImageIO

fun floats(all: JSONArray) = FloatArray(all.length()) { all.getDouble(it).toFloat() }

/** As Android has it: a JPEG in code, the rest as ARGB colours of a bitmap. */
fun gray(bytes: ByteArray, height: Int, width: Int): GrayImage {
    if (isJpeg(bytes)) return readJpeg(bytes, height, width)
    val image = ImageIO.read(bytes.inputStream())
    if (image.type == BufferedImage.TYPE_BYTE_GRAY) { // which getRGB takes for linear light, as Android does not
        val values = image.raster.getPixels(0, 0, image.width, image.height, null as IntArray?)
        val colors = IntArray(values.size) { 0xFF000000.toInt() or (values[it] * 0x010101) }
        return GrayImage.ofArgb(colors, image.width, image.height)
    }
    return GrayImage.ofArgb(image.getRGB(0, 0, image.width, image.height, null, 0, image.width), image.width, image.height)
}

fun image(job: JSONObject) = GrayImage(Base64.getDecoder().decode(job.getString("data")), job.getInt("width"), job.getInt("height"))

fun encoded(bytes: ByteArray): String = Base64.getEncoder().encodeToString(bytes)

fun answer(job: JSONObject): Any = when (job.getString("task")) {
    "pixels" -> {
        val size = job.getJSONArray("size")
        val pixels = gray(File(job.getString("file")).readBytes(), size.getInt(0), size.getInt(1)).resizeArea(size.getInt(0), size.getInt(1))
        MessageDigest.getInstance("SHA-256").digest(pixels).joinToString("") { "%02x".format(it) }
    }
    "decoded" -> {
        val size = job.getJSONArray("size")
        val pixels = gray(File(job.getString("file")).readBytes(), size.getInt(0), size.getInt(1)).resizeArea(size.getInt(0), size.getInt(1))
        val hash = MessageDigest.getInstance("SHA-256").digest(pixels).joinToString("") { "%02x".format(it) }
        JSONObject().put("sha256", hash).put("pixels", JSONArray(pixels.map { it.toInt() and 255 }))
    }
    "resize" -> encoded(image(job).resizeArea(job.getJSONArray("size").getInt(0), job.getJSONArray("size").getInt(1)))
    "decide" -> {
        val card = job.getJSONObject("card")
        val features = if (job.isNull("features")) null else floats(job.getJSONArray("features"))
        val found = Card(card).rule.decide(Base64.getDecoder().decode(job.getString("pixels")), floats(job.getJSONArray("scores")), features)
        JSONObject().put("label", found.label ?: JSONObject.NULL).put("reason", found.reason ?: JSONObject.NULL)
            .put("probabilities", JSONArray(found.probabilities.toList())).put("ood", JSONArray(found.ood.map { it.score }))
    }
    "belongs" -> Card(job.getJSONObject("card")).belongs(File(job.getString("model")).readBytes())
    "warnings" -> JSONArray(Card(job.getJSONObject("card")).warnings)
    "mapped" -> {
        val answer = job.getJSONObject("answer")
        val label = if (answer.isNull("label")) null else answer.getString("label")
        val shares = answer.getJSONArray("probabilities")
        Card(job.getJSONObject("card")).mapped(Answer(label, null, DoubleArray(shares.length()) { shares.getDouble(it) }, emptyList()))
    }
    "overlay" -> {
        val shape = job.getJSONArray("shape")
        JSONArray(image(job).overlaid(floats(job.getJSONArray("cam")), shape.getInt(0), shape.getInt(1), shape.getInt(2), job.getInt("label")).toList())
    }
    "straighten" -> {
        val corners = job.getJSONArray("corners")
        val out = image(job).straighten(List(4) { corners.getJSONArray(it).let { one -> one.getDouble(0) to one.getDouble(1) } })
        JSONObject().put("width", out.width).put("height", out.height).put("data", encoded(out.data))
    }
    "inside" -> {
        val corners = job.getJSONArray("corners")
        val moved = GrayImage.inside(List(4) { corners.getJSONArray(it).let { one -> one.getDouble(0) to one.getDouble(1) } }, job.getDouble("share"))
        JSONArray(moved.map { JSONArray(listOf(it.first, it.second)) })
    }
    "check" -> {
        val model = File(job.getString("model")).readBytes()
        val card = Card.read(model)
        val check = GoldenCheck(card)
        val outputs = job.getJSONObject("outputs")
        val wrong = check.pictures.filterNot {
            val pixels = gray(associated(model, it)!!, card.height, card.width).resizeArea(card.height, card.width)
            val one = outputs.getJSONObject(it)
            val features = if (one.isNull("features")) null else floats(one.getJSONArray("features"))
            check.check(it, pixels, Outputs(floats(one.getJSONArray("scores")), features)).passed
        }
        JSONObject().put("pictures", check.pictures.size).put("wrong", JSONArray(wrong)).put("decisions", JSONArray(check.wrongDecisions()))
    }
    else -> throw IllegalArgumentException(job.getString("task"))
}

fun main() {
    val jobs = JSONArray(String(System.`in`.readBytes(), Charsets.UTF_8))
    val answers = JSONArray()
    for (number in 0 until jobs.length()) {
        answers.put(
            try {
                answer(jobs.getJSONObject(number))
            } catch (error: Exception) {
                JSONObject().put("error", "${error::class.simpleName}: ${error.message}")
            },
        )
    }
    println(answers.toString())
}
