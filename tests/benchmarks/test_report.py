from __future__ import annotations

import base64
import copy
import json
import re
import shutil
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from freezenet.benchmarks.compare import compare
from freezenet.benchmarks.figures import three_digits
from freezenet.benchmarks.latency import benchmark
from freezenet.benchmarks.report import write_report
from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.system.environment import environment


class Page(HTMLParser):
    """Text, links and tables of a page, and every tag that was opened."""

    def __init__(self, text: str):
        super().__init__()
        self.words, self.links, self.tags, self.rows, self.notices, self.alts = [], [], [], [], [], []
        self._cell, self._notice = False, False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        found = dict(attributes)
        self.links += [
            value for name, value in attributes if name in ("src", "href", "srcset", "action", "data", "poster")
        ]
        if tag == "img":
            self.alts.append(found.get("alt", ""))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        self._cell = tag in ("td", "th") or (self._cell and tag != "tr")
        if tag == "p":
            self._notice = found.get("class") == "notice"
            if self._notice:
                self.notices.append("")

    def handle_endtag(self, tag):
        self._cell = self._cell and tag not in ("td", "th")
        self._notice = self._notice and tag != "p"

    def handle_data(self, text):
        self.words.append(text)
        if self._cell:
            self.rows[-1][-1] += text
        if self._notice:
            self.notices[-1] += text

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def row(self, *first: str) -> list[list[str]]:
        return [row for row in self.rows if tuple(row[: len(first)]) == first]


def shown(figure: dict[str, float]) -> str:
    """A share with its interval as the tables show it, in %."""
    return f"{100 * figure['value']:.1f} [{100 * figure['low']:.1f}, {100 * figure['high']:.1f}]"


@pytest.fixture(scope="module")
def content(models, run):
    """(metrics, results) of a finished pipeline."""
    results = {
        "recipe": "phantoms",
        "data": "DATA",
        "command": "freezenet pipeline DATA --out here",
        "has_patients": True,
        "notice": "Research use only.",
        "comparison": compare(models, run=run.folder),
        "latency": [
            benchmark(models / f"{name}.tflite", runs=20)
            for name in ("float32", "float16", "dynamic", "int8", "int16x8")
        ],
        "refused": {},
        "undecided": {},
        "environment": environment(),
    }
    return json.loads((run.folder / "metrics.json").read_text()), results


@pytest.fixture
def report(run, content, tmp_path):
    """Write a report after a change to (metrics, results); returns (page, its text)."""

    def write(change=lambda metrics, results: None, share=False):
        metrics, results = copy.deepcopy(content)
        change(metrics, results)
        (tmp_path / "run").mkdir(exist_ok=True)
        shutil.copy(run.folder / "history.csv", tmp_path / "run" / "history.csv")
        (tmp_path / "run" / "metrics.json").write_text(json.dumps(metrics))
        (tmp_path / "results.json").write_text(json.dumps(results))
        text = write_report(tmp_path, share=share).read_text(encoding="utf-8")
        return Page(text), text

    return write


def test_the_page_needs_nothing_else(report):
    page, text = report()
    assert page.links
    assert all(link.startswith("data:image/png;base64,") or link == "#words" for link in page.links)
    assert "http:" not in text and "https:" not in text and "@import" not in text and "url(" not in text
    assert not {"script", "link", "iframe", "object"} & set(page.tags)


def test_what_is_answered_is_counted_for_each_class_as_a_whole(report, content):
    page, _ = report()
    metrics, results = content
    one, images = results["comparison"]["variants"]["int8"], results["comparison"]["images"]
    classes = [row[:6] for label in metrics["labels"] for row in page.row(f"class {label}")]
    answered, wrong, uncertain = (sum(int(row[column]) for row in classes) for column in (2, 3, 4))
    shares = one["probabilities"]
    # A file that never abstains has no such shares: it answers all.
    sure, right = (
        ({"value": 1}, one["accuracy"])
        if shares["coverage"] is None
        else (shares["coverage"], shares["accuracy_answered"])
    )
    assert answered == round(sure["value"] * images) == images - uncertain
    assert wrong == answered - round(right["value"] * answered)
    first = page.text.partition("What may be concluded")[0]
    assert f"int8 answers {answered} of the {images} test images" in first or not uncertain
    least = metrics["confidence"]["abstain_below"]
    assert (
        "It answers whatever its confidence" if not least else f"Below a confidence of {least:.3f} it says"
    ) in page.text
    passed = metrics["gate"]["chest_passed"]
    assert (
        f"it lets {100 * passed['value']:.1f} % [{100 * passed['low']:.1f}, {100 * passed['high']:.1f}] pass, which says nothing"
        in page.text
    )


def test_results_of_an_older_version_make_a_report(report, tmp_path):
    def older(metrics, results):
        del metrics["gate"], metrics["train"]
        results.pop("date", None)
        for one in results["comparison"]["variants"].values():
            del one["probabilities"]["calibration_error_by_chance"]
            for row in one["slices"]["slices"]:
                del row["answered"], row["answered_right"]
            for image in [*one["wrong"], *one.get("flipped", ())]:
                del image["float32_answered"], image["this_answered"]

    page, _ = report(older)
    assert page.row("group of test images") == [["group of test images", "images", "right, %", "patients"]]
    assert "Measured on" not in page.text and "OOD gate, OOD gate" not in page.text

    def oldest(metrics, results):
        for one in results["comparison"]["variants"].values():
            for key in ("slices", "probabilities", "curves", "wrong", "verdict"):
                one.pop(key, None)

    assert "What may be concluded" in report(oldest)[0].text


def test_what_the_report_is_and_that_it_is_for_research_come_before_the_verdict(report, content):
    page, _ = report(lambda metrics, results: results.update(date="2026-11-29"))
    metrics, results = content
    variants = results["comparison"]["variants"]
    first = page.text.split("freezenet report")[2].partition("What a network")[0]  # behind title and styles
    parts = [metrics["train"], metrics["validation"], metrics]
    images, patients = (sum(one[key] for one in parts) for key in ("images", "patients"))
    places = [
        first.index(text)
        for text in (
            f"The data: {images} images of {patients} patients",
            "Measured on 2026-11-29.",
            "Research use only.",
            f"the file without loss, for {results['comparison']['images'] - len(variants['int8']['flipped'])} of",
            variants["int8"]["verdict"]["sentence"],
            "What may be concluded",
            f"{100 * variants['int8']['accuracy']['value']:.1f} % [{100 * variants['int8']['accuracy']['low']:.1f}",
            f"int8 is {variants['float32']['bytes'] / variants['int8']['bytes']:.1f} times smaller",
            "What may not",
        )
    ]
    assert places == sorted(places)


def test_verdicts_in_the_same_words_and_figures_are_said_once(report, content):
    same = copy.deepcopy(content[1]["comparison"]["variants"]["float16"]["verdict"])

    def alike(metrics, results):
        variants = results["comparison"]["variants"]
        for name in ("dynamic", "int16x8"):
            variants[name]["verdict"] = {**same, "sentence": same["sentence"].replace("float16", name)}
        variants["int8"]["verdict"]["sentence"] = "int8 is another matter."

    page, _ = report(alike)
    assert page.text.count(same["sentence"].split("float16")[1]) == 1
    assert f"{same['sentence']} The same, with the same figures, holds for dynamic and int16x8." in page.text


def test_no_sentence_stands_twice_in_a_report(report):
    page, _ = report(with_sources)
    sentences = [one.strip() for one in re.split(r"(?<=[.:])\s", page.text) if len(one.split()) > 7]
    assert len(sentences) > 40
    assert not {one for one in sentences if sentences.count(one) > 1}


def test_every_picture_has_words_for_who_cannot_see_it(report):
    page, _ = report()
    assert len(page.alts) == len(page.links) - 1  # one leads to the words
    assert all(len(one) > 10 for one in page.alts)


def test_slices_and_figures_of_probabilities_are_those_of_results_json(report, content):
    page, _ = report()
    variants = content[1]["comparison"]["variants"]
    for one in variants["int8"]["slices"]["slices"]:
        (row,) = page.row(f"{one['column']} {one['value']}")
        assert [row[1], row[-1]] == [str(one["images"]), str(one["patients"])]
        if "same_as" in one:
            assert row[2] == f"the same images as {one['same_as']['column']} {one['same_as']['value']}"
        else:
            counts = (one["answered"], one["answered"] - one["answered_right"], one["images"] - one["answered"])
            assert row[2:6] == [*map(str, counts), shown(one["accuracy"])]
    (row,) = page.row("AUROC, one against the rest")
    assert row[1:] == [shown(one["probabilities"]["auroc"]["macro"]) for one in variants.values()]
    (row,) = page.row("answers changed from float32")
    assert row[1] == "" and row[-1] == shown(variants["int16x8"]["flips"])


def test_wrong_images_are_shown_with_both_answers_and_what_the_network_looked_at(content, models, phantoms):
    from freezenet.benchmarks.reporting.gallery import Gallery

    file = str(next(phantoms.parent.rglob("*.png")).relative_to(phantoms.parent))
    (one,) = Gallery(phantoms.parent, models).shown([{"file": file, "class": "Clear"}], "int8.tflite")
    image, cam = (
        cv2.imdecode(np.frombuffer(base64.b64decode(one[key].partition(",")[2]), np.uint8), cv2.IMREAD_UNCHANGED)
        for key in ("image", "cam")
    )
    assert image.ndim == 2 and cam.shape[:2] == image.shape and cam.shape[2] == 3
    assert (cam[..., 0] != cam[..., 2]).any()  # colours
    for variant in content[1]["comparison"]["variants"].values():
        wrong = variant["images"] - round(variant["accuracy"]["value"] * variant["images"])
        assert len(variant["wrong"]) == variant["wrong_count"] == wrong
        assert all(image["class"] != image["this"] for image in variant["wrong"])


def test_figures_of_every_variant_are_those_of_results_json(report, content):
    page, _ = report()
    _, results = content
    latency = {one["model"]: one for one in results["latency"]}
    for one in results["comparison"]["variants"].values():
        row = page.row(one["file"])[0]
        f1, accuracy = one["macro_f1"], one["accuracy"]
        assert row[1] == f"{one['bytes'] / 1e6:.2f}"
        assert row[2:4] == [shown(accuracy), shown(f1)]
        if "against_float32" in one:
            against = one["against_float32"]
            change = against["macro_f1"]
            points = [100 * change[key] + 0.0 for key in ("value", "low", "high")]
            assert row[4] == "{:+.1f} [{:+.1f}, {:+.1f}]".format(*points)
            assert row[5:7] == [str(against["flipped"]), one["verdict"]["verdict"]]
        else:
            assert row[4:7] == ["", "", ""]
        assert row[7] == three_digits(latency[one["file"]]["p50_ms"])
        measured = page.row(one["file"])[1]
        assert measured[4] == row[7]
        assert measured[7] == three_digits(latency[one["file"]]["peak_memory_bytes"] / 1e6)


def test_recall_of_each_class(report, content):
    page, _ = report()
    metrics, results = content
    for label in metrics["labels"]:
        (row,) = [row for row in page.row(label) if len(row) > 2 and "[" in row[2]]
        variants, number = results["comparison"]["variants"], metrics["labels"].index(label)
        support = metrics["per_class"][label]["support"]
        assert row[1] == str(support)
        assert row[2:-1] == [shown(one["per_class"][label]["recall"]) for one in variants.values()]
        matrix = np.array(variants["int8"]["confusion_matrix"])
        assert row[-1] == f"{matrix[:, number].sum() - matrix[number, number]} of {matrix.sum() - support}"


def with_sources(metrics, results):
    metrics["images_by_class_and_source"] = {
        "Clear": {"north": 90, "south": 10},
        "Diffuse": {"north": 0, "south": 50},
        "Focal": {"north": 0, "south": 25},
        "Reticular": {"north": 5, "south": 20},
    }


def test_sources_that_predict_the_label_are_warned_about(report):
    page, _ = report(with_sources)
    assert page.row("class", "north", "south")
    assert page.row("Clear", "90", "10") and page.row("Reticular", "5", "20")
    # Best guess: north -> Clear (90), south -> Diffuse (50), of 200 images; Clear alone 100.
    (warning,) = [one for one in page.notices if "Knowing only the source" in one]
    warning = " ".join(warning.split())
    assert "right in 70 % of cases" in warning.replace("\xa0", " ")
    assert "50 %" in warning.replace("\xa0", " ")


def test_one_source_for_all_is_no_warning(report):
    page, _ = report()
    assert "Knowing only the source" in page.text
    assert not [one for one in page.notices if "Knowing only the source" in one]


def test_unknown_sources_and_patients_are_said(report):
    def change(metrics, results):
        metrics["images_by_class_and_source"] = {label: {"": 10} for label in metrics["labels"]}
        results["has_patients"] = False

    page, _ = report(change)
    assert any("names no sources" in one for one in page.notices)
    assert "the data names no patients" in page.text
    assert "no patient is in two splits" not in page.text


def renamed(value, old, new):
    if isinstance(value, dict):
        return {new if key == old else key: renamed(one, old, new) for key, one in value.items()}
    if isinstance(value, list):
        return [renamed(one, old, new) for one in value]
    return new if value == old else value


@pytest.mark.parametrize("name", ["<b>Focal</b>", '"><script>alert(1)</script>', "5$ & $x_$", "$\\frac$"])
def test_a_class_name_is_text_and_nothing_else(report, content, name):
    def change(metrics, results):
        for one in (metrics, results):
            found = renamed(one, "Focal", name)
            one.clear()
            one.update(found)

    page, text = report(change)
    assert len(page.row(name)) >= 2
    assert not {"b", "script"} & set(page.tags)
    assert "<script" not in text


def test_flipped_images_are_shown_with_both_answers(report, content, phantoms):
    file = str(next(phantoms.parent.rglob("*.png")).relative_to(phantoms.parent))

    def change(metrics, results):
        results["comparison"]["variants"]["int8"]["flipped"] = [
            {
                "file": file,
                "class": "Clear",
                "float32": "Focal",
                "this": "Diffuse",
                "float32_score": 0.61,
                "this_score": 0.4712,
                "float32_answered": True,
                "this_answered": False,
            }
        ] * 30

    page, _ = report(change)
    assert f"int8: 30 of {content[1]['comparison']['images']}" in page.text
    assert page.text.count("truth Clear float32: Focal 0.610, answered int8: Diffuse 0.471, uncertain") == 24
    assert "and 6 more, in results.json" in page.text


def test_a_report_for_others_names_and_shows_nobody(report, content, phantoms):
    """Counts remain; sources are numbers; no picture is of a patient."""
    file = str(next(phantoms.parent.rglob("*.png")).relative_to(phantoms.parent))

    def change(metrics, results):
        with_sources(metrics, results)
        results["data"], results["command"] = "/wards/Jane_Doe", "freezenet pipeline /wards/Jane_Doe"
        one = {"file": file, "class": "Clear", "float32": "Focal", "this": "Diffuse"}
        results["comparison"]["variants"]["int8"]["flipped"] = [{**one, "float32_score": 0.61, "this_score": 0.47}] * 30

    page, text = report(change, share=True)
    for name in (
        "Jane_Doe",
        "wards",
        file,
        file.rsplit("/", 1)[-1],
        "north",
        "south",
        content[1]["comparison"]["data_root"],
    ):
        assert name not in text
    assert page.row("class", "source 1", "source 2") and page.row("Clear", "90", "10")
    assert f"int8: 30 of {content[1]['comparison']['images']}" in page.text
    assert len(page.alts) == 8  # trade-off, differences, matrices, ROC, precision, reliability, risk, curves
    wrong = content[1]["comparison"]["variants"]["int8"]["wrong"]
    assert len(report(change)[0].alts) == 8 + 24 + min(24, len(wrong))


def test_notes_on_the_measurement_stand_in_the_report(report):
    page, _ = report(
        lambda metrics, results: results["latency"][0].update(notes=["8 threads on 2 usable cores", "hot"])
    )
    assert any("float32.tflite: 8 threads on 2 usable cores; hot." in one for one in page.notices)


def test_a_refusal_stands_in_the_report(report):
    page, _ = report(lambda metrics, results: results["refused"].update(int8="it gives NaN & <more>"))
    assert any("int8: it gives NaN & <more>." in " ".join(one.split()) for one in page.notices)


def test_an_open_question_of_acceptance_stands_in_the_report(report):
    page, _ = report(lambda metrics, results: results["undecided"].update(int8="34 images are too few"))
    assert any("int8: 34 images are too few." in " ".join(one.split()) for one in page.notices)


AUDIT = {
    "images": 9,
    "majority": 0.5,
    "views": {"whole": {"accuracy": {"value": 0.9, "low": 0.8, "high": 1.0}, "remaining": None}},
    "flags": ["source"],
    "headline": "The class can be told from the name of the source.",
    "verdict": ["Trained without a source, such a probe finds a there in 20 % (St. Mary)."],
}


@pytest.mark.parametrize("share", [False, True])
def test_the_audit_stands_above_all_tables(report, tmp_path, share):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "audit.json").write_text(json.dumps(AUDIT))
    page, text = report(share=share)
    above = Page(text[: text.index("<table>")])
    assert AUDIT["headline"] in above.text and above.tags.count("img") == 1
    assert any(AUDIT["headline"] in one for one in above.notices)
    # Sentences name sources, so they stay in the house.
    assert ("St. Mary" in page.text) is not share


@pytest.mark.parametrize("share", [False, True])
def test_why_there_is_no_audit_is_said(report, tmp_path, share):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "audit.json").write_text(json.dumps({"not_audited": "Two patients are required in /home/x."}))
    page, _ = report(share=share)
    assert "The data could not be audited" in page.text
    assert ("/home/x" in page.text) is not share


def test_without_an_audit_the_report_says_nothing_of_one(report):
    assert "cheat" not in report()[0].text


def test_the_command_and_the_machine_are_named(report, content):
    page, _ = report()
    assert "freezenet pipeline DATA --out here" in page.text
    assert content[1]["environment"]["cpu"] in page.text


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(FreezenetError, match=r"metrics\.json inside is required"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()
