package freezenet.phone

import org.json.JSONObject
import kotlin.math.exp
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
    /** For each label the smallest certainty of an answer with it; the sets of labels of a multi-label card share one. */
    private val abstainBelow: DoubleArray
    /** For each label what is added to the logarithm of its probability. */
    private val bias: DoubleArray
    /** For each label the probability from which on it is answered, NaN for a label without. */
    private val answerFrom: DoubleArray
    private val thresholds: DoubleArray?
    private val gates: List<OodGate> = content.optJSONObject("gate")?.let { readGates(it) } ?: emptyList()
    private val smallest = if (content.optString("arithmetic") == "integer") 1.0 / 512 else 1e-7

    /** Whether a picture that is no chest X-ray can be refused. */
    val hasGate: Boolean get() = gates.isNotEmpty()

    init {
        val confidence = content.optJSONObject("confidence") ?: JSONObject()
        temperature = if (confidence.isNull("temperature")) null else confidence.getDouble("temperature")
        val task = content.optString("task", "multi-class")
        require(task == "multi-class" || task == "multi-label") { "A known task is required. Got: $task." }
        val given = content.optJSONObject("thresholds") ?: JSONObject()
        val common = if (confidence.isNull("abstain_below")) 0.0 else confidence.getDouble("abstain_below")
        val own = confidence.optJSONObject("abstain_below_class") ?: JSONObject()
        val added = confidence.optJSONObject("bias") ?: JSONObject()
        val from = confidence.optJSONObject("answer_from") ?: JSONObject()
        require(listOf(own, added, from).all { given -> given.keys().asSequence().all { task == "multi-class" && it in labels } }) {
            "Abstention by class for labels of a multi-class card is required. Got: another."
        }
        abstainBelow = DoubleArray(labels.size) { if (own.isNull(labels[it])) common else own.getDouble(labels[it]) }
        bias = DoubleArray(labels.size) { if (added.isNull(labels[it])) 0.0 else added.getDouble(labels[it]) }
        answerFrom = DoubleArray(labels.size) { if (from.isNull(labels[it])) Double.NaN else from.getDouble(labels[it]) }
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
        val strongest = bias.max()
        val powers = DoubleArray(given.size) { (clipped[it] / largest).pow(1 / t) * exp(bias[it] - strongest) }
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
        // First the labels that reach their own probability, then those without one, then the rest; of equals the first.
        val ranks = IntArray(shares.size) { if (answerFrom[it].isNaN()) 1 else if (shares[it] >= answerFrom[it]) 2 else 0 }
        val most = shares.indices.filter { ranks[it] == ranks.max() }.maxByOrNull { shares[it] }!!
        val chosen = BooleanArray(shares.size) { if (thresholds != null) shares[it] >= thresholds[it] else it == most }
        val certainty = if (thresholds == null) shares[most] else shares.indices.minOf { if (chosen[it]) shares[it] else 1 - shares[it] }
        if (certainty < abstainBelow[if (thresholds == null) most else 0]) return Answer(null, UNCERTAIN, shares, ood)
        return Answer(labels.filterIndexed { at, _ -> chosen[at] }.joinToString(";"), null, shares, ood)
    }
}
