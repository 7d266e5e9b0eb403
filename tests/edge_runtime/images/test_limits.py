"""The limit that OpenCV itself keeps, where a header hides an image's size from this project's own check."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
#: A progressive JPEG, whose coefficients are held at once, of 30,000 x 30,000 pixels by its frame header, behind a byte that ends the walk to it.
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
assert image_size(large) == (30_000, 30_000) and image_size(hidden) is None
peak = lambda: int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
before = peak()
try:
    read_gray(hidden)
except FreezenetError as error:
    print(peak() - before, error)
"""


def test_a_hidden_size_takes_no_memory():
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True, cwd=ROOT)
    kilobytes, sentence = done.stdout.split(" ", 1)
    assert "required. Got: " in sentence
    assert int(kilobytes) < 100_000  # the image and its coefficients would take 2.6 GB
