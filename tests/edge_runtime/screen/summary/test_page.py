"""The summary: counts that a hand count gives, a worklist in order, drift where the images are others, one page without a network."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter

import pytest

from freezenet.edge_runtime.errors import DataError, SettingError
from freezenet.edge_runtime.screen.summary.figures import _kind
from freezenet.edge_runtime.screen.summary.page import summarize


def test_counts_are_those_of_the_rows(out, rows):
    said = summarize(out)
    summary = json.loads((out / "summary" / "summary.json").read_text())
    found = rows(out)
    assert said["images"] == summary["rows"] == 40
    assert summary["statuses"] == Counter(row["status"] for row in found)
    assert summary["answers"] == Counter(row["label"] or row["reason"] for row in found if row["status"] == "answered")
    assert summary["duplicates"] == sum(row["duplicate_of"] is not None for row in found)
    for source in ("one", "two"):
        expected = Counter(row["label"] or row["reason"] or row["status"] for row in found if row["source"] == source)
        assert summary["sources"][source] == expected
    months = {month: sum(counts.values()) for month, counts in summary["months"].items()}
    assert months == Counter(row["month"] or "not known" for row in found)
    assert sum(summary["errors"].values()) == sum(row["error"] is not None for row in found)


def test_sentences_of_one_kind_count_together():
    one = "An X-ray of the chest in (0018,0015) 'Body Part Examined' is required. Got: 'HIP' of 3 or MONOCHROME1."
    assert _kind(one) == one.replace("'HIP'", "…").replace("of 3", "of …")
    assert (
        _kind("An image file is required. Got: no such file: '/a/b 1.png'.")
        == "An image file is required. Got: no such file: …"
    )
    assert _kind("Got: 7 of 1,000 bytes of s3://a/b.png") == "Got: … of … bytes of …"


def test_the_worklist_is_sorted_and_has_each_content_once(out, rows):
    summarize(out)
    listed = list(csv.DictReader((out / "summary" / "worklist.csv").open(newline="")))
    own = [
        row
        for row in rows(out)
        if row["status"] == "answered" and not row["duplicate_of"] and row["p_Clear"] is not None
    ]
    assert sorted(one["uri"] for one in listed) == sorted(row["uri"] for row in own)
    suspicion = [float(one["suspicion"]) for one in listed]
    assert suspicion == sorted(suspicion, reverse=True)
    assert suspicion == pytest.approx([1 - float(one["p_Clear"]) for one in listed], abs=1e-6)
    assert [int(one["rank"]) for one in listed] == list(range(1, len(listed) + 1))
    summarize(out, "Focal")
    listed = list(csv.DictReader((out / "summary" / "worklist.csv").open(newline="")))
    assert [float(one["suspicion"]) for one in listed] == pytest.approx([float(one["p_Focal"]) for one in listed])
    with pytest.raises(SettingError, match="Did you mean Focal"):
        summarize(out, "Fokal")


def test_drift_is_none_for_the_validation_images_and_found_for_others(models, run, tmp_path, screen, phantoms):
    """The images that the card's counts were made of give exactly them."""
    model = models / "int8.tflite"
    (tmp_path / "validation.txt").write_text("\n".join(str(path) for path, _ in run.paths("validation")))
    screen(model, tmp_path / "validation.txt", tmp_path / "same")
    assert summarize(tmp_path / "same")["drift"] == "none"
    drift = json.loads((tmp_path / "same" / "summary" / "summary.json").read_text())["drift"]
    assert [one["index"] for one in drift if one["index"] is not None] == pytest.approx(
        [0] * sum(one["index"] is not None for one in drift)
    )
    pictures = sorted((phantoms.parent / "Focal").glob("*.png"))
    (tmp_path / "focal.txt").write_text("\n".join(map(str, pictures)))
    screen(model, tmp_path / "focal.txt", tmp_path / "other")
    assert "p_Focal" in summarize(tmp_path / "other")["drift"]


def test_the_page_needs_no_network_and_escapes(models, own_archive, tmp_path, screen):
    archive = own_archive
    (archive / "<b>one<" / "x").mkdir(parents=True)
    image = next(archive.rglob("*.png"))
    image.rename(archive / "<b>one<" / "x" / "=1+1.png")
    screen(models / "int8.tflite", archive, tmp_path / "out")
    summarize(tmp_path / "out")
    page = (tmp_path / "out" / "summary" / "index.html").read_text()
    assert "&lt;b&gt;one&lt;" in page and "<b>one<" not in page
    assert not re.findall(r"(?:src|href)=|https?://|url\(|<script", page)
    assert "default-src 'none'" in page


def test_a_screening_under_way_says_so_and_no_screening_is_a_sentence(out, tmp_path, command):
    (out / "_SUCCESS").unlink()
    summarize(out)
    assert "is not finished" in (out / "summary" / "index.html").read_text()
    with pytest.raises(DataError, match="A folder that `freezenet screen` wrote is required"):
        summarize(tmp_path / "nothing")
    code, printed, _ = command("screen", "--summary", out, "--json")
    assert code == 0 and json.loads(printed)["images"] == 40
    code, _, said = command("screen", "MODEL", "--summary", out)
    assert code == 2 and "stands alone" in said
    code, _, said = command("screen", "MODEL", "IN")
    assert code == 2 and "--out OUT are required" in said
