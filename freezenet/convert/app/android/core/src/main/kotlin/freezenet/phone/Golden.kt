package freezenet.phone

import org.json.JSONObject
import java.security.MessageDigest
import kotlin.math.abs

/** What a golden vector showed on this phone. */
class Checked(val name: String, val pixels: Boolean, val difference: Double, val scores: Boolean, val answer: Boolean) {
    val passed: Boolean get() = pixels && scores && answer
}

/** The outputs of the model that a check looks at. */
class Outputs(val scores: FloatArray, val features: FloatArray?)

/** Compares this phone with what the card promises; the numbers are those of docs/port.md, "Prove it". */
class GoldenCheck(private val card: Card) {
    private val golden: JSONObject = card.content.optJSONObject("golden") ?: JSONObject()
    private val isInteger = card.content.optString("arithmetic") == "integer"

    /** File names of the golden pictures. */
    val pictures: List<String> get() = vectors().map { it.getString("image") }

    /** Compare one golden vector; pixels: those of its picture, of the input's size. */
    fun check(picture: String, pixels: ByteArray, outputs: Outputs): Checked {
        val vector = vectors().first { it.getString("image") == picture }
        val recorded = vector.getJSONObject("scores")
        val expected = FloatArray(card.labels.size) { recorded.getDouble(card.labels[it]).toFloat() }
        val difference = expected.indices.maxOf { abs(expected[it] - outputs.scores[it]).toDouble().let { one -> if (one.isNaN()) Double.POSITIVE_INFINITY else one } }
        var same = true
        vector.optJSONObject("answer")?.let {
            val own = card.rule.decide(pixels, outputs.scores, outputs.features)
            // The rule must turn the recorded scores into the recorded probabilities, whatever this phone's own scores are.
            same = matches(card.rule, Answer(own.label, own.reason, card.rule.probabilities(expected), own.ood), it, if (isInteger) 0.05 else 0.01)
        }
        val hash = MessageDigest.getInstance("SHA-256").digest(pixels).joinToString("") { "%02x".format(it) }
        return Checked(picture, hash == vector.getString("pixels_sha256"), difference, difference <= if (isInteger) 4.0 / 256 else 1e-3, same)
    }

    /** Names of the golden decisions of which these rules make another answer. */
    fun wrongDecisions(): List<String> {
        val all = golden.optJSONArray("decisions") ?: return emptyList()
        return List(all.length()) { all.getJSONObject(it) }.filterNot { one ->
            val rule = Rule(one.getJSONObject("rule"))
            val features = if (one.isNull("features")) null else one.getJSONArray("features").doubles().map { it.toFloat() }.toFloatArray()
            val scores = one.getJSONArray("scores").doubles().map { it.toFloat() }.toFloatArray()
            matches(rule, rule.decide(byteArrayOf(0, 1), scores, features), one.getJSONObject("answer"), 1e-5)
        }.map { it.getString("name") }
    }

    private fun vectors() = golden.optJSONArray("vectors")?.let { all -> List(all.length()) { all.getJSONObject(it) } } ?: emptyList()

    private fun matches(rule: Rule, found: Answer, recorded: JSONObject, distance: Double): Boolean {
        val shares = recorded.getJSONObject("probabilities")
        val readings = recorded.getJSONArray("ood")
        val close = rule.labels.indices.all { abs(found.probabilities[it] - shares.getDouble(rule.labels[it])) <= 1e-6 }
        val gates = readings.length() == found.ood.size && found.ood.indices.all {
            val one = readings.getJSONObject(it)
            abs(found.ood[it].score - one.getDouble("score")) <= distance * one.getDouble("threshold")
        }
        fun text(key: String) = if (recorded.isNull(key)) null else recorded.getString(key)
        return close && gates && found.label == text("label") && found.reason == text("reason")
    }
}
