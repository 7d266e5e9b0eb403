"""The soak: what it counts, and a short one."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from freezenet.edge_runtime.images.reader import read_gray
from studies.stress import soak


@pytest.fixture(scope="module")
def result(models, phantoms):
    images = [str(path) for path in sorted(phantoms.parent.rglob("*.png"))[:6]]
    arguments = [str(models / "int8.tflite"), *images, "--requests", "240", "--bad", "0.3", "--workers", "2", "--json"]
    done = CliRunner().invoke(soak.main, arguments)
    # A short run says nothing about memory, so a small growth may be called too much here.
    return json.loads(done.stdout)


def test_every_good_request_is_answered_right(result):
    assert (result["failures"], result["first_failures"], result["exit_code"]) == (0, [], 0)
    assert result["good"] + sum(result["refused"].values()) == 240


def test_every_kind_of_bad_request_is_refused(result):
    assert set(result["refused"]) == set(soak.REFUSALS)


def test_figures_are_stated(result):
    assert 0 < result["milliseconds"]["p50"] <= result["milliseconds"]["p95"] <= result["milliseconds"]["p99"]
    assert 10 < result["memory_mb"]["warm"] <= result["memory_mb"]["peak"]
    assert "packages" in result["environment"]


def test_the_percentile_is_the_nearest_rank():
    values = [float(one) for one in np.random.default_rng(0).permutation(97)]
    for share in (0.01, 0.5, 0.95, 0.99, 1.0):
        assert soak.percentile(values, share) == np.quantile(values, share, method="inverted_cdf")
    assert soak.percentile([], 0.5) is None


def test_bad_requests_are_bad(phantoms):
    image = next(phantoms.parent.rglob("*.png")).read_bytes()
    for request in soak.bad_requests(image, 10**6):
        if request.kind != "text":
            with pytest.raises(Exception, match="required"):
                read_gray(request.body)


def judged(kind, status, found, answer=None):
    run = soak.Soak(1, [soak.Request("good", b"", answer=answer)], [], 0, 1)
    run._judge(soak.Request(kind, b"", answer=answer), status, found, 1.0)
    return run.tally


def test_a_wrong_answer_is_a_failure():
    answer = dict.fromkeys(soak._COMPARED, 1)
    assert judged("good", 200, answer, answer).failures == []
    assert len(judged("good", 200, {**answer, "label": 2}, answer).failures) == 1
    assert len(judged("good", 500, {"error": "a"}, answer).failures) == 1
    assert len(judged("empty", 200, answer).failures) == 1
    assert judged("empty", 422, {"error": "a", "request_id": "b"}).refused == {"empty": 1}


def test_a_server_that_does_not_start(tmp_path):
    (tmp_path / "a.tflite").write_bytes(b"text")
    (tmp_path / "a.png").write_bytes(b"text")
    done = CliRunner().invoke(soak.main, [str(tmp_path / "a.tflite"), str(tmp_path / "a.png")])
    assert (done.exit_code, "Error: A TensorFlow Lite model" in done.stderr) == (1, True)
