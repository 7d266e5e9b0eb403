"""Damage that a library notices is heard, also with many threads, and nobody else's words are lost."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from PIL import Image

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.decoder import decoded
from freezenet.edge_runtime.images.reader import read_gray
from freezenet.train.data.phantoms import draw_phantom

GRAY = draw_phantom("Focal", 300, np.random.default_rng(1))
#: Format, options, and whether its decoder notices 512 zeros in the middle: no checksum, and any byte is valid, elsewhere.
KINDS = [
    ("JPEG", {"quality": 90}, True),
    ("JPEG", {"quality": 90, "restart_marker_rows": 1}, True),
    ("TIFF", {"compression": "tiff_lzw"}, True),
    ("TIFF", {"compression": "tiff_deflate"}, True),
    ("TIFF", {"compression": "jpeg"}, True),
    ("PNG", {}, True),
    ("TIFF", {}, False),
    ("WEBP", {"quality": 90}, False),
    ("BMP", {}, False),
]


def encoded(kind: str, **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(GRAY).save(stream, kind, **options)
    return stream.getvalue()


def zeroed(data: bytes, seed: int, length: int = 512) -> bytes:
    at = int(np.random.default_rng([14, seed]).integers(min(1024, len(data) // 4), len(data) - length))
    return data[:at] + bytes(length) + data[at + length :]


def label(data: bytes) -> bool:
    try:
        read_gray(data)
    except DataError:
        return False
    return True


@pytest.mark.parametrize(("kind", "options", "notices"), KINDS)
def test_512_zeros_are_refused_wherever_the_decoder_notices_them(kind, options, notices):
    data = encoded(kind, **options)
    assert label(data)
    answered = sum(label(zeroed(data, seed)) for seed in range(60))
    assert answered == 0 if notices else answered > 0


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_threads_hear_their_own_damage_and_no_other(kind):
    data = encoded(kind, **({"compression": "tiff_lzw"} if kind == "TIFF" else {}))
    files = [zeroed(data, one) if one % 3 == 0 else data for one in range(300)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(label, files)) == [one % 3 != 0 for one in range(300)]


def test_what_cannot_be_decoded_is_none_and_nothing_is_printed(capfd):
    whole = cv2.imencode(".png", GRAY)[1].tobytes()
    np.testing.assert_array_equal(decoded(whole, cv2.IMREAD_GRAYSCALE), GRAY)
    for data in (b"text", whole[:60], b""):
        assert decoded(data, cv2.IMREAD_GRAYSCALE) is None
    assert capfd.readouterr() == ("", "")


CODE = """
import os, sys, threading
from freezenet.edge_runtime.images.reader import read_gray
damaged, stop, lines = open(sys.argv[1], "rb").read(), threading.Event(), 0
def read():
    while not stop.is_set():
        try: read_gray(damaged)
        except Exception: pass
readers = [threading.Thread(target=read) for _ in range(3)]
for one in readers: one.start()
for number in range(2000): print(f"line {number}", file=sys.stderr)
stop.set()
for one in readers: one.join()
os.write(2, b"end\\n")
"""


def test_the_lines_of_other_threads_reach_stderr_and_those_of_libjpeg_do_not(tmp_path):
    (tmp_path / "x.jpg").write_bytes(zeroed(encoded("JPEG"), 1))
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path / "x.jpg")], capture_output=True, text=True, check=True
    )
    wanted = [*(f"line {number}" for number in range(2000)), "end"]
    # Nothing lost, nothing twice, nothing else; where stderr is given back, lines of that moment may change places.
    assert sorted(re.findall(r"line \d+|end", done.stderr)) == sorted(wanted)
    assert sorted(done.stderr) == sorted("".join(f"{one}\n" for one in wanted))


@pytest.mark.skipif(os.name == "nt", reason="a shell's redirection")
def test_without_a_stderr_images_are_read_all_the_same(tmp_path):
    (tmp_path / "x.jpg").write_bytes(encoded("JPEG"))
    code = "import sys; from freezenet.edge_runtime.images.reader import read_gray; print(read_gray(sys.argv[1]).shape)"
    command = ["sh", "-c", '"$@" 2>&-', "sh", sys.executable, "-c", code, str(tmp_path / "x.jpg")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "(300, 300)\n"
