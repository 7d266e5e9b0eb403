"""The sizes of images that are accepted; nothing heavy is imported here, so that a command line can name them."""

from __future__ import annotations

#: Smallest accepted side in pixels: below it there is no anatomy to see.
MIN_SIDE = 32
#: Largest accepted gray image in pixels: 100 megapixels is five times the largest flat-panel detector. With more
#: channels it is as many samples, so that what a file takes of the memory is bounded; a JPEG is decoded to gray at once.
MAX_PIXELS = 100_000_000
#: Environment variable with OpenCV's own limit, read when OpenCV is loaded. A damaged header can hide an image's size
#: until it is decoded.
OPENCV_LIMIT = "OPENCV_IO_MAX_IMAGE_PIXELS"
