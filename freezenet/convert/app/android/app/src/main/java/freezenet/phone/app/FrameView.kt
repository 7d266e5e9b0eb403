package freezenet.phone.app

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Paint
import android.graphics.Path
import android.graphics.RectF
import android.view.MotionEvent
import android.view.View
import kotlin.math.hypot
import kotlin.math.min

/** A picture under a frame of four corners that are dragged; the corners are shares of the picture, clockwise from the upper left. */
class FrameView(context: Context) : View(context) {
    private var bitmap: Bitmap? = null
    private var corners = whole()
    private var held = -1
    private val place = RectF()
    private val edge = Paint(Paint.ANTI_ALIAS_FLAG).apply {
        color = Color.rgb(255, 213, 74)
        style = Paint.Style.STROKE
        strokeWidth = 2 * resources.displayMetrics.density
    }
    private val handle = Paint(Paint.ANTI_ALIAS_FLAG).apply { color = Color.argb(190, 255, 213, 74) }
    private val shade = Paint().apply { color = Color.argb(150, 0, 0, 0) }
    private val reach = 24 * resources.displayMetrics.density

    /** Whether the frame is the whole picture, which is then read to the bit. */
    val isWhole: Boolean get() = corners == whole()

    fun show(picture: Bitmap) {
        bitmap = picture
        corners = whole()
        requestLayout()
        invalidate()
    }

    /** The corners in pixels of a picture. */
    fun corners(width: Int, height: Int) = corners.map { (x, y) -> x * width to y * height }

    override fun onMeasure(widthSpec: Int, heightSpec: Int) {
        val width = MeasureSpec.getSize(widthSpec)
        val picture = bitmap
        val tall = if (picture == null) 0 else ((width - 2 * reach) * picture.height / picture.width + 2 * reach).toInt()
        setMeasuredDimension(width, min(tall, resources.displayMetrics.heightPixels * 6 / 10))
    }

    override fun onDraw(canvas: Canvas) {
        val picture = bitmap ?: return
        val scale = min((width - 2 * reach) / picture.width, (height - 2 * reach) / picture.height)
        val left = (width - scale * picture.width) / 2
        val top = (height - scale * picture.height) / 2
        place.set(left, top, left + scale * picture.width, top + scale * picture.height)
        canvas.drawBitmap(picture, null, place, null)
        val path = Path()
        corners.indices.forEach { if (it == 0) path.moveTo(x(it), y(it)) else path.lineTo(x(it), y(it)) }
        path.close()
        val outside = Path(path).apply {
            fillType = Path.FillType.EVEN_ODD
            addRect(place, Path.Direction.CW)
        }
        canvas.drawPath(outside, shade)
        canvas.drawPath(path, edge)
        corners.indices.forEach { canvas.drawCircle(x(it), y(it), reach / 2, handle) }
    }

    override fun onTouchEvent(event: MotionEvent): Boolean {
        when (event.actionMasked) {
            MotionEvent.ACTION_DOWN -> {
                held = corners.indices.firstOrNull { hypot(x(it) - event.x, y(it) - event.y) < 1.5 * reach } ?: return false
                parent.requestDisallowInterceptTouchEvent(true)
            }
            MotionEvent.ACTION_MOVE -> if (held >= 0) {
                val before = corners
                corners = corners.toMutableList().also {
                    it[held] = share(event.x - place.left, place.width()) to share(event.y - place.top, place.height())
                }
                if (!isConvex()) corners = before
                invalidate()
            }
            MotionEvent.ACTION_UP -> {
                held = -1
                performClick()
            }
            MotionEvent.ACTION_CANCEL -> held = -1
        }
        return true
    }

    /** Not so far that the frame turns inside out. */
    private fun isConvex() = corners.indices.all {
        val (a, b, c) = List(3) { step -> corners[(it + step) % 4] }
        (b.first - a.first) * (c.second - b.second) - (b.second - a.second) * (c.first - b.first) > 0.005
    }

    private fun x(corner: Int) = place.left + (corners[corner].first * place.width()).toFloat()

    private fun y(corner: Int) = place.top + (corners[corner].second * place.height()).toFloat()

    private fun share(part: Float, whole: Float) = (part / whole).toDouble().coerceIn(0.0, 1.0)

    private fun whole() = listOf(0.0 to 0.0, 1.0 to 0.0, 1.0 to 1.0, 0.0 to 1.0)
}
