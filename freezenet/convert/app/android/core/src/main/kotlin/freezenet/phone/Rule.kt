package freezenet.phone

import org.json.JSONObject
import kotlin.math.max
import kotlin.math.min
import kotlin.math.pow

const val NOT_CHEST = "not a chest X-ray"
const val UNCERTAIN = "uncertain"

/** What an OOD gate reads, a distance or a probability, and the threshold that it is compared with. */
data class Reading(val score: Double, val threshold: Double)

/** The answer: of label and reason one is null. Where the reason is NOT_CHEST the probabilities mean nothing: show none. */
class Answer(val label: String?, val reason: String?, val probabilities: DoubleArray, val ood: List<Reading>)

/** The rule of decision in a card, or of a golden decision. */
class Rule(content: JSONObject) {
    val labels: List<String> = content.getJSONArray("labels").strings()
    private val temperature: Double?
    private val abstainBelow: Double
    private val thresholds: DoubleArray?
    private val gates: List<OodGate> = content.optJSONObject("gate")?.let { readGates(it) } ?: emptyList()
    private val smallest = if (content.optString("arithmetic") == "integer") 1.0 / 512 else 1e-7

    /** Whether a picture that is no chest X-ray can be refused. */
    val hasGate: Boolean get() = gates.isNotEmpty()

    init {
        val confidence = content.optJSONObject("confidence") ?: JSONObject()
        temperature = if (confidence.isNull("temperature")) null else confidence.getDouble("temperature")
        abstainBelow = if (confidence.isNull("abstain_below")) 0.0 else confidence.getDouble("abstain_below")
        val task = content.optString("task", "multi-class")
        require(task == "multi-class" || task == "multi-label") { "A known task is required. Got: $task." }
        val given = content.optJSONObject("thresholds") ?: JSONObject()
        thresholds = if (task == "multi-label") DoubleArray(labels.size) { given.optDouble(labels[it], 0.5) } else null
    }

    /** Calibrated probabilities of scores. */
    fun probabilities(scores: FloatArray): DoubleArray {
        require(scores.all { it.isFinite() }) { "Finite scores are required. Got: NaN or infinity." }
        val given = DoubleArray(scores.size) { scores[it].toDouble() }
        val t = temperature ?: return given
        if (thresholds != null) {
            return DoubleArray(given.size) {
                val p = min(max(given[it], smallest), 1 - smallest)
                1 / (1 + ((1 - p) / p).pow(1 / t))
            }
        }
        val clipped = DoubleArray(given.size) { min(max(given[it], smallest), 1.0) }
        val largest = clipped.max()
        val powers = DoubleArray(given.size) { (clipped[it] / largest).pow(1 / t) }
        val total = powers.sum()
        return DoubleArray(given.size) { powers[it] / total }
    }

    /** The answer for pixels of the input's size and the model's outputs "scores" and "features". */
    fun decide(pixels: ByteArray, scores: FloatArray, features: FloatArray?): Answer {
        val shares = probabilities(scores)
        require(gates.isEmpty() || features != null) { "The model's features are required by its OOD gate. Got: none." }
        val ood = gates.map { Reading(it.score(features!!), it.threshold) }
        val passes = gates.all { it.passes(features!!) }
        if (pixels.all { it == pixels[0] } || !passes) return Answer(null, NOT_CHEST, shares, ood)
        val most = shares.indices.maxByOrNull { shares[it] }!! // the first of equals
        val chosen = BooleanArray(shares.size) { if (thresholds != null) shares[it] >= thresholds[it] else it == most }
        val certainty = if (thresholds == null) shares[most] else shares.indices.minOf { if (chosen[it]) shares[it] else 1 - shares[it] }
        if (certainty < abstainBelow) return Answer(null, UNCERTAIN, shares, ood)
        return Answer(labels.filterIndexed { at, _ -> chosen[at] }.joinToString(";"), null, shares, ood)
    }
}
