package freezenet.phone.app

import android.app.Activity
import android.content.ClipData
import android.content.ClipboardManager
import android.content.Intent
import android.graphics.Bitmap
import android.net.Uri
import android.os.Build
import android.os.Bundle
import android.provider.MediaStore
import android.view.View
import android.widget.Button
import android.widget.ImageView
import android.widget.LinearLayout
import android.widget.ScrollView
import android.widget.TextView
import androidx.core.content.FileProvider
import freezenet.phone.GrayImage
import freezenet.phone.NOT_CHEST
import freezenet.phone.UNCERTAIN
import freezenet.phone.overlaid
import freezenet.phone.resizeArea
import java.io.File
import java.util.concurrent.Executors
import kotlin.math.max
import kotlin.math.roundToInt

/** One screen: choose or photograph, fit the frame, answer; and the check of this phone. */
class MainActivity : Activity() {
    private val worker = Executors.newSingleThreadExecutor()
    private val phone by lazy { Phone(assets) } // touched by the worker alone
    private val frame by lazy { FrameView(this) }
    private val fitted by lazy { column() }
    private val answered by lazy { column() }
    private val checked by lazy { column() }
    private var bytes: ByteArray? = null
    private var turns = listOf<Int>()

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        val all = column()
        all.addView(text(getString(R.string.notice)))
        all.addView(button(R.string.choose) { choose() })
        all.addView(button(R.string.photograph) { photograph() })
        listOf(fitted, answered).forEach { all.addView(it) }
        all.addView(button(R.string.check) { check() })
        all.addView(checked)
        val edge = (16 * resources.displayMetrics.density).toInt()
        all.setPadding(edge, edge, edge, edge)
        setContentView(ScrollView(this).apply { fitsSystemWindows = true; addView(all) })
    }

    override fun onDestroy() {
        worker.execute { phone.close() }
        worker.shutdown()
        super.onDestroy()
    }

    // The system's picker and camera hand over one picture, so no permission is asked for.

    private fun choose() {
        val picker = if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU) Intent(MediaStore.ACTION_PICK_IMAGES)
        else Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE)
        startActivityForResult(picker.setType("image/*"), CHOSEN)
    }

    private fun photograph() {
        val file = photo().apply { parentFile?.mkdirs() }
        val uri = FileProvider.getUriForFile(this, "$packageName.camera", file)
        val camera = Intent(MediaStore.ACTION_IMAGE_CAPTURE).putExtra(MediaStore.EXTRA_OUTPUT, uri)
        startActivityForResult(camera.addFlags(Intent.FLAG_GRANT_WRITE_URI_PERMISSION), PHOTOGRAPHED)
    }

    private fun photo() = File(cacheDir, "camera/film.jpg")

    @Deprecated("The newer way needs a library.")
    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        if (result != RESULT_OK) return
        val uri = if (request == PHOTOGRAPHED) Uri.fromFile(photo()) else data?.data ?: return
        read {
            val found = contentResolver.openInputStream(uri)!!.use { it.readBytes() }
            photo().delete() // nothing stays
            bytes = found
            turns = emptyList()
            whole()
        }
    }

    /** Run on the worker, then show the picture that it returns. */
    private fun read(work: () -> GrayImage) = worker.execute {
        try {
            val image = work()
            runOnUiThread { fit(image) }
        } catch (error: Exception) {
            runOnUiThread { show(fitted, text(getString(R.string.unreadable, error.message ?: error::class.simpleName))) }
        }
    }

    /** The picture as it is read where nothing is cut: large JPEG files smaller. */
    private fun whole() = turned(grayOf(bytes!!, phone.card.height, phone.card.width))

    private fun turned(image: GrayImage) = turns.fold(image) { one, turn -> one.upright(turn) }

    private fun fit(image: GrayImage) {
        frame.show(small(image).let { shown(it) })
        answered.removeAllViews()
        show(
            fitted, text(getString(R.string.fit)), frame, button(R.string.turn) { turns = turns + 6; read { whole() } },
            button(R.string.mirror) { turns = turns + 2; read { whole() } }, button(R.string.answer) { answer() },
        )
    }

    private fun answer() {
        val isWhole = frame.isWhole
        worker.execute {
            try {
                val image = if (isWhole) whole() else turned(grayOf(bytes!!, 0, 0)).let { it.straighten(GrayImage.inside(frame.corners(it.width, it.height))) }
                val found = phone.answer(image)
                val shown = small(image)
                runOnUiThread { present(shown, found) }
            } catch (error: Exception) {
                runOnUiThread { show(answered, text(getString(R.string.unreadable, error.message ?: error::class.simpleName))) }
            }
        }
    }

    private fun present(image: GrayImage, found: Phone.Found) {
        val answer = found.answer
        val labels = phone.card.labels
        val (said, why) = when (answer.reason) {
            NOT_CHEST -> R.string.refused to R.string.refused_todo
            UNCERTAIN -> R.string.uncertain to R.string.uncertain_todo
            else -> null to null
        }
        val views = mutableListOf<View>()
        val names = answer.label?.replace("_", " ")?.replace(";", ", ")?.ifEmpty { getString(R.string.none) }
        views += text(names ?: getString(said!!), 24f)
        views += text(why?.let { getString(it) } ?: getString(R.string.known, labels.joinToString().replace("_", " ")))
        // Where it is no chest X-ray, probabilities and the map mean nothing.
        if (answer.reason != NOT_CHEST) {
            val order = labels.indices.sortedByDescending { answer.probabilities[it] }
            phone.card.warnings.forEach { views += text(it.replace("_", " ")) }
            views += text(order.joinToString("\n") { "${labels[it].replace("_", " ")}  ${(100 * answer.probabilities[it]).roundToInt()} %" })
        }
        val picture = ImageView(this).apply {
            adjustViewBounds = true
            setImageBitmap(shown(image))
            contentDescription = getString(R.string.seen)
        }
        views += picture
        if (answer.reason != NOT_CHEST && found.cam != null) views += button(R.string.where) { map(picture, image, found) }
        views += text(getString(R.string.time, found.milliseconds, phone.p50))
        show(answered, *views.toTypedArray())
    }

    private fun map(picture: ImageView, image: GrayImage, found: Phone.Found) {
        val classes = phone.card.labels.size
        val most = phone.card.mapped(found.answer)
        // The last feature map is a 32nd of the input, rounded up.
        val rows = (phone.card.height + 31) / 32
        val colors = image.overlaid(found.cam!!, rows, found.cam.size / classes / rows, classes, most)
        picture.setImageBitmap(Bitmap.createBitmap(colors, image.width, image.height, Bitmap.Config.ARGB_8888))
        picture.contentDescription = getString(R.string.mapped, phone.card.labels[most].replace("_", " "))
    }

    private fun check() = worker.execute {
        val (found, wrong) = phone.check()
        val passed = found.count { it.passed }
        val isGood = wrong.isEmpty() && found.isNotEmpty() && passed == found.size
        val report = buildString {
            appendLine("${if (isGood) "PASSED" else "FAILED"}: $passed of ${found.size} golden vectors, ${wrong.size} wrong decisions $wrong")
            for (one in found) appendLine("${one.name}: pixels ${one.pixels}, largest difference of a score ${one.difference}, answer ${one.answer}")
            appendLine("model: SHA-256 ${phone.modelSha256}; card: SHA-256 ${phone.cardSha256}")
            append("device: ${Build.MANUFACTURER} ${Build.MODEL}, Android ${Build.VERSION.RELEASE}; median ${phone.p50} ms")
        }
        runOnUiThread {
            val verdict = text(getString(if (isGood) R.string.good else R.string.bad, passed, found.size))
            val copy = button(R.string.copy) { getSystemService(ClipboardManager::class.java).setPrimaryClip(ClipData.newPlainText("report", report)) }
            show(checked, verdict, text(report, 12f), copy)
        }
    }

    private fun small(image: GrayImage): GrayImage {
        val scale = 1024.0 / max(image.width, image.height)
        if (scale >= 1) return image
        val height = max(1, (image.height * scale).roundToInt())
        val width = max(1, (image.width * scale).roundToInt())
        return GrayImage(image.resizeArea(height, width), width, height)
    }

    private fun column() = LinearLayout(this).apply { orientation = LinearLayout.VERTICAL }

    private fun show(column: LinearLayout, vararg views: View) {
        column.removeAllViews()
        views.forEach { column.addView(it) }
    }

    private fun text(content: String, size: Float = 16f) = TextView(this).apply {
        text = content
        textSize = size
        setTextIsSelectable(true)
        accessibilityLiveRegion = View.ACCESSIBILITY_LIVE_REGION_POLITE
    }

    private fun button(name: Int, then: () -> Unit) = Button(this).apply {
        setText(name)
        setOnClickListener { then() }
    }

    private companion object {
        const val CHOSEN = 1
        const val PHOTOGRAPHED = 2
    }
}
