package freezenet.phone

import org.json.JSONObject
import java.util.Base64
import kotlin.math.sqrt
import kotlin.math.tanh

/** Is this a chest X-ray at all? It reads the model's output "features"; NaN never passes. */
sealed interface OodGate {
    val threshold: Double

    fun score(features: FloatArray): Double

    fun passes(features: FloatArray): Boolean
}

/** Passes what lies close to the training images' features: |W (f - mean)|, W zero below its diagonal. */
class OneClassGate(private val mean: DoubleArray, private val triangle: DoubleArray, private val directions: Int, override val threshold: Double) : OodGate {
    override fun score(features: FloatArray): Double {
        var at = 0
        var squares = 0.0
        for (row in 0 until directions) {
            var sum = 0.0
            for (column in row until mean.size) sum += triangle[at++] * (features[column] - mean[column])
            squares += sum * sum
        }
        return sqrt(squares)
    }

    override fun passes(features: FloatArray) = score(features) <= threshold
}

/** Passes where 1 / (1 + exp(-(weights . f + bias))) reaches the threshold. */
class LogisticGate(private val weights: DoubleArray, private val bias: Double, override val threshold: Double) : OodGate {
    override fun score(features: FloatArray): Double {
        var sum = bias
        for (at in weights.indices) sum += weights[at] * features[at]
        return 0.5 * (1 + tanh(0.5 * sum))
    }

    override fun passes(features: FloatArray) = score(features) >= threshold
}

/** The gates of a card's "gate" object: all of them must let an image pass. */
fun readGates(content: JSONObject): List<OodGate> = when (val kind = content.getString("kind")) {
    "both" -> content.getJSONArray("gates").let { all -> List(all.length()) { readGates(all.getJSONObject(it)) }.flatten() }
    "logistic" -> listOf(LogisticGate(content.getJSONArray("weights").doubles(), content.getDouble("bias"), content.getDouble("threshold")))
    "one-class" -> {
        val mean = content.getJSONArray("mean").doubles()
        val directions = content.getInt("directions")
        val scale = content.getDouble("scale")
        val bytes = Base64.getDecoder().decode(content.getString("triangle"))
        require(bytes.size == 2 * (directions * mean.size - directions * (directions - 1) / 2)) { "A whole OOD gate is required." }
        val triangle = DoubleArray(bytes.size / 2) {
            half((bytes[2 * it].toInt() and 255) or ((bytes[2 * it + 1].toInt() and 255) shl 8)) * scale
        }
        listOf(OneClassGate(mean, triangle, directions, content.getDouble("threshold")))
    }
    else -> throw IllegalArgumentException("A known OOD gate is required. Got: $kind; update the app.")
}

/** A number of its 16 bits (IEEE 754 binary16). */
private fun half(bits: Int): Double {
    val exponent = (bits shr 10) and 31
    val part = bits and 1023
    val size = when (exponent) {
        0 -> Math.scalb(part.toDouble(), -24)
        31 -> if (part == 0) Double.POSITIVE_INFINITY else Double.NaN
        else -> Math.scalb((1024 + part).toDouble(), exponent - 25)
    }
    return if (bits and 0x8000 != 0) -size else size
}
