"""LiteRT.js in Chromium gives the promised numbers, to the bit where the arithmetic is integer."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from functools import partial
from http.server import ThreadingHTTPServer
from threading import Thread

import pytest

from studies.clients.browser import Site, _Handler
from studies.clients.question import questions


def test_int8_is_bit_identical(cells, integer_variants):
    assert integer_variants
    for name in integer_variants:
        assert cells("litertjs")[name].same, cells("litertjs")[name]


def test_float_is_within_1e_5(cells, float_variants):
    for name in float_variants:
        cell = cells("litertjs")[name]
        assert cell.differs == (), (name, cell)
        assert cell.largest_difference <= 1e-5, (name, cell)


def test_every_file_opens_or_the_reason_is_said(cells):
    for name, cell in cells("litertjs").items():
        assert cell.largest_difference is not None or len(cell.cannot) > 10, (name, cell)


@pytest.fixture
def site(models, tmp_path):
    """A site whose node_modules holds one file, and its address."""
    modules = tmp_path / "node_modules"
    modules.mkdir()
    (modules / "core.js").write_text("export {}")
    (tmp_path / "secret.txt").write_text("not of the site")
    site = Site(questions(models), modules)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, site))
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield site, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_server_isolates_the_page_so_that_webassembly_may_have_threads(site):
    with urllib.request.urlopen(f"{site[1]}/index.html?n=0") as answer:
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert b"@litertjs/core" in answer.read()


def test_the_server_gives_only_what_belongs_to_the_site(site, models):
    def get(path):
        with urllib.request.urlopen(site[1] + path) as answer:
            return answer.read()

    assert get("/npm/core.js") == b"export {}"
    assert get("/models/int8.tflite") == (models / "int8.tflite").read_bytes()
    listed = {one["variant"]: one for one in json.loads(get("/questions.json"))}
    assert listed["int8"]["dtype"] == "uint8"
    assert listed["float32"]["shape"] == [1, 96, 96, 3]
    for path in ("/npm/../secret.txt", "/secret.txt", "/npm/", "/models/none"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(path)


def test_the_first_answer_of_a_page_counts(site):
    for found in ({"cannot": "a  long\nreason"}, {"scores": []}):
        request = urllib.request.Request(f"{site[1]}/answers/int8", json.dumps(found).encode(), method="POST")
        urllib.request.urlopen(request).close()
    assert site[0].answers == {"int8": {"cannot": "a long reason"}}
    assert "int8" not in site[0].unanswered()
