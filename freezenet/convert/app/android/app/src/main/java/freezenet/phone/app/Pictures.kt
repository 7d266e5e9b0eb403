package freezenet.phone.app

import android.graphics.Bitmap
import android.graphics.ColorSpace
import android.graphics.ImageDecoder
import freezenet.phone.GrayImage
import freezenet.phone.OtherJpeg
import freezenet.phone.checkSize
import freezenet.phone.isJpeg
import freezenet.phone.readJpeg
import java.nio.ByteBuffer

/** Gray values of a picture file; a JPEG to the bit, in code. inputHeight 0: a large JPEG as large as it is. */
fun grayOf(bytes: ByteArray, inputHeight: Int, inputWidth: Int): GrayImage {
    if (isJpeg(bytes)) {
        try {
            return readJpeg(bytes, inputHeight, inputWidth)
        } catch (_: OtherJpeg) {
            // The system decodes the rare kinds.
        }
    }
    require(!isDeepPng(bytes)) { "a PNG of 16 bits, which Android's bitmaps cannot hold; export it with 8" }
    val bitmap = ImageDecoder.decodeBitmap(ImageDecoder.createSource(ByteBuffer.wrap(bytes))) { decoder, info, _ ->
        checkSize(info.size.width, info.size.height)
        decoder.allocator = ImageDecoder.ALLOCATOR_SOFTWARE
        decoder.isUnpremultipliedRequired = true
        // The picture's own space: no conversion, because profiles are ignored.
        decoder.setTargetColorSpace(info.colorSpace ?: ColorSpace.get(ColorSpace.Named.SRGB))
    }
    require(bitmap.config == Bitmap.Config.ARGB_8888) { "a picture of an unusual kind (${bitmap.config})" }
    val colors = IntArray(bitmap.width * bitmap.height)
    bitmap.getPixels(colors, 0, bitmap.width, 0, 0, bitmap.width, bitmap.height)
    return GrayImage.ofArgb(colors, bitmap.width, bitmap.height)
}

/** The header of a PNG file tells the bits of a sample in its 25th byte. */
private fun isDeepPng(bytes: ByteArray) = bytes.size > 25 && bytes[1] == 'P'.code.toByte() && bytes[2] == 'N'.code.toByte() && bytes[24].toInt() == 16

/** A bitmap to show; it is never what is read. */
fun shown(image: GrayImage): Bitmap {
    val colors = IntArray(image.data.size) { val gray = image.data[it].toInt() and 255; (255 shl 24) or (gray shl 16) or (gray shl 8) or gray }
    return Bitmap.createBitmap(colors, image.width, image.height, Bitmap.Config.ARGB_8888)
}
