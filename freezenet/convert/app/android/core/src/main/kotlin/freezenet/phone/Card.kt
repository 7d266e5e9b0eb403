package freezenet.phone

import org.json.JSONObject
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.security.MessageDigest

/** What a model file says of itself, ready to answer; the keys are explained in docs/port.md. */
class Card(val content: JSONObject) {
    val rule = Rule(content)
    val labels: List<String> get() = rule.labels
    val height: Int
    val width: Int
    val mean: Float
    val std: Float

    /** Whether the input takes the pixels as they are (uint8), not normalized numbers. */
    val takesBytes = content.optJSONObject("input")?.optString("dtype") == "uint8"

    /** Names of the outputs, in the order of the interpreter. */
    val outputs: List<String> = content.optJSONArray("outputs")?.strings() ?: listOf("scores")

    /** Sentences that belong beside every answer: what the card says of its thresholds, of its sources, and of a missing OOD gate. */
    val warnings: List<String> = listOf(
        content.optJSONObject("localized")?.optString("sentence"), content.optJSONObject("sources")?.optString("elsewhere"),
        if (rule.hasGate) null else "No OOD gate in this file: it also names a class for a picture that is no chest X-ray.",
    ).filterNotNull().filter { it.isNotEmpty() }

    init {
        val spec = content.getJSONObject("preprocess")
        require(
            content.getInt("card_version") == 1 && spec.getInt("version") == 2 &&
                spec.getString("color") == "gray" && spec.getString("resize") == "area",
        ) { "A card of version 1 with preprocessing of version 2 is required. Got: another; export the app again." }
        require(content.optJSONObject("input")?.optString("dtype") != "int8" && !content.has("output")) {
            "A model that takes uint8 or float32 and gives float32 is required. Got: integer ends; convert it with --io pixels."
        }
        height = spec.getJSONArray("size").getInt(0)
        width = spec.getJSONArray("size").getInt(1)
        mean = spec.getDouble("mean").toFloat()
        std = spec.getDouble("std").toFloat()
    }

    /** Whether the card was written for this network: with another model's card an app would answer wrongly, and notice nothing. */
    fun belongs(model: ByteArray): Boolean {
        val network = content.optJSONObject("network") ?: return true // a card of an earlier version does not say
        val bytes = network.getInt("bytes")
        if (bytes > model.size) return false
        val digest = MessageDigest.getInstance("SHA-256").apply { update(model, 0, bytes) }.digest()
        return digest.joinToString("") { "%02x".format(it) } == network.getString("sha256")
    }

    /** The place of the class whose activation map belongs to an answer: of its label, else the most probable one. */
    fun mapped(answer: Answer): Int {
        val named = labels.indexOf(answer.label)
        return if (named >= 0) named else answer.probabilities.indices.maxByOrNull { answer.probabilities[it] }!!
    }

    /** The input tensor's bytes [1, height, width, 3], in the processor's order: each gray value three times. */
    fun networkInput(pixels: ByteArray): ByteBuffer {
        val buffer = ByteBuffer.allocateDirect(3 * pixels.size * if (takesBytes) 1 else 4).order(ByteOrder.nativeOrder())
        for (pixel in pixels) {
            repeat(3) {
                if (takesBytes) buffer.put(pixel) else buffer.putFloat(((pixel.toInt() and 255).toFloat() - mean) / std)
            }
        }
        buffer.rewind()
        return buffer
    }

    companion object {
        /** Read the card of the bytes of a .tflite file, or of card.json. */
        fun read(bytes: ByteArray): Card {
            val text = if (bytes.firstOrNull() == '{'.code.toByte()) bytes else associated(bytes, "card.json")
            requireNotNull(text) { "A model with a card.json inside is required. Got: none." }
            return Card(JSONObject(String(text, Charsets.UTF_8)))
        }
    }
}

/**
 * A file of the ZIP archive behind a model's flatbuffer, or null. The directory at the end is read, because the archive does not start
 * at the file's beginning: java.util.zip.ZipInputStream finds nothing.
 */
fun associated(model: ByteArray, name: String): ByteArray? {
    val view = ByteBuffer.wrap(model).order(ByteOrder.LITTLE_ENDIAN)
    fun half(at: Int) = view.getShort(at).toInt() and 0xFFFF
    var end = model.size - 22
    while (end >= 0 && view.getInt(end) != 0x06054b50) end--
    if (end < 0) return null
    var at = view.getInt(end + 16)
    repeat(half(end + 10)) {
        if (view.getInt(at) != 0x02014b50) return null
        val size = view.getInt(at + 20)
        val nameSize = half(at + 28)
        if (String(model, at + 46, nameSize, Charsets.UTF_8) == name) {
            require(half(at + 10) == 0) { "An uncompressed $name is required in the model." }
            val start = view.getInt(at + 42)
            val from = start + 30 + half(start + 26) + half(start + 28)
            return model.copyOfRange(from, from + size)
        }
        at += 46 + nameSize + half(at + 30) + half(at + 32)
    }
    return null
}

internal fun org.json.JSONArray.strings() = List(length()) { getString(it) }

internal fun org.json.JSONArray.doubles() = DoubleArray(length()) { getDouble(it) }
