"""An image whose header hides its size takes no memory, whatever the environment says about OpenCV's own limit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
#: A progressive JPEG, whose coefficients are held at once, of 30,000 x 30,000 pixels by its frame header, behind a stray byte, which libjpeg passes over.
_PROGRAM = """
import numpy as np
from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.reader import read_gray
from freezenet.edge_runtime.images.header import image_size
import cv2
jpeg = cv2.imencode(".jpg", np.zeros((64, 64), np.uint8), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
at = jpeg.index(b"\\xff\\xc2")
large = jpeg[: at + 5] + (30_000).to_bytes(2, "big") * 2 + jpeg[at + 9 :]
hidden = large[:at] + b"\\x00" + large[at:]
assert image_size(large) == (30_000, 30_000) == image_size(hidden)
peak = lambda: int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
before = peak()
try:
    read_gray(hidden)
except FreezenetError as error:
    print(peak() - before, error)
"""


def test_a_hidden_size_takes_no_memory():
    env = {key: value for key, value in os.environ.items() if key != "OPENCV_IO_MAX_IMAGE_PIXELS"}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True, cwd=ROOT, env=env
    )
    kilobytes, sentence = done.stdout.split(" ", 1)
    assert "Got: 30000 x 30000; scale it down first" in sentence
    assert int(kilobytes) < 100_000  # the image and its coefficients would take 2.6 GB
