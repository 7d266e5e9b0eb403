"""What a process of the command does at its start, and what a program that imports the library decides for itself."""

from __future__ import annotations

import logging
import os

from freezenet.edge_runtime.images.limits import MAX_PIXELS

#: Environment variable with OpenCV's own limit, read when OpenCV is loaded.
OPENCV_LIMIT = "OPENCV_IO_MAX_IMAGE_PIXELS"
#: Size in bytes of the block that is freed; a 2000 x 2000 image of 16 bits takes 8 MB.
_KEPT_BYTES = 16_000_000


def prepare_process() -> None:
    """Prepare a process that is ours alone for reading many images; nothing is imported for it.

    The reader refuses what is too large by its header; OpenCV's own limit stands behind it as a second door.
    """
    os.environ.setdefault(OPENCV_LIMIT, str(MAX_PIXELS))
    # Read by TensorFlow's C++ when it is loaded: errors only.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Its Python side warns of retracing for each new batch size, which is how prediction ends here.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    keep_freed_memory()


def keep_freed_memory() -> None:
    """Let the C library keep the memory of one image for the next.

    glibc gives an image's memory back to the kernel and takes it anew for the next image, at one page fault for each 4 KiB,
    until a program has once freed a larger block: its threshold for that is dynamic (mallopt(3), M_MMAP_THRESHOLD). The
    block is never written to, so it takes no memory itself.
    """
    bytes(_KEPT_BYTES)
