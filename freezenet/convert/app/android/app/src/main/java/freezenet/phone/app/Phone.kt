package freezenet.phone.app

import android.content.res.AssetManager
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import freezenet.phone.Answer
import freezenet.phone.Card
import freezenet.phone.Checked
import freezenet.phone.GoldenCheck
import freezenet.phone.GrayImage
import freezenet.phone.Outputs
import freezenet.phone.resizeArea
import java.security.MessageDigest

/** The model in the assets: model.tflite, card.json and golden/, as `freezenet export-app` wrote them. Not thread-safe. */
class Phone(private val assets: AssetManager) : AutoCloseable {
    private val cardBytes = bytes("card.json")
    val card = Card.read(cardBytes)
    private val modelBytes = bytes("model.tflite").also {
        require(card.belongs(it)) { "A model.tflite and the card.json of the same export are required. Got: those of two; export the app again." }
    }
    val modelSha256 = sha256(modelBytes)
    val cardSha256 = sha256(cardBytes)
    private val times = mutableListOf<Long>()

    // On the processor: other accelerators round integers otherwise.
    private val model = CompiledModel.create(assets, "model.tflite", CompiledModel.Options(Accelerator.CPU), null)
    private val inputs = model.createInputBuffers()
    private val outputs = model.createOutputBuffers()

    /** Median time of one answer in milliseconds, without decoding. */
    val p50: Long get() = times.sorted().let { if (it.isEmpty()) 0 else it[(it.size - 1) / 2] }

    class Found(val answer: Answer, val outputs: Outputs, val cam: FloatArray?, val pixels: ByteArray, val milliseconds: Long)

    fun answer(image: GrayImage): Found {
        val started = System.nanoTime()
        val pixels = image.resizeArea(card.height, card.width)
        val tensor = card.networkInput(pixels)
        if (card.takesBytes) {
            // There is no unsigned type: the same bytes.
            inputs[0].writeInt8(ByteArray(tensor.remaining()).also { tensor.get(it) })
        } else {
            inputs[0].writeFloat(FloatArray(tensor.remaining() / 4).also { tensor.asFloatBuffer().get(it) })
        }
        model.run(inputs, outputs)
        val named = card.outputs.zip(outputs.map { it.readFloat() }).toMap()
        val found = Outputs(named.getValue("scores"), named["features"])
        val answer = card.rule.decide(pixels, found.scores, found.features)
        val milliseconds = (System.nanoTime() - started) / 1_000_000
        times += milliseconds
        return Found(answer, found, named["cam"], pixels, milliseconds)
    }

    /** What the golden pictures show, and the names of the decisions that are made otherwise. */
    fun check(): Pair<List<Checked>, List<String>> {
        val check = GoldenCheck(card)
        val found = check.pictures.map {
            val one = answer(grayOf(bytes("golden/$it"), card.height, card.width))
            check.check(it, one.pixels, one.outputs)
        }
        return found to check.wrongDecisions()
    }

    private fun bytes(name: String) = assets.open(name).use { it.readBytes() }

    override fun close() {
        (inputs + outputs).forEach { it.close() }
        model.close()
    }
}

private fun sha256(bytes: ByteArray) = MessageDigest.getInstance("SHA-256").digest(bytes).joinToString("") { "%02x".format(it) }
