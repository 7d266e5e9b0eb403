"""Each engine asked for the same pictures, and held against this package."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.images.preprocess import pixel_hash
from freezenet.edge_runtime.names import chosen_names
from freezenet.edge_runtime.system.environment import environment
from studies.phone import browsers, jvm, node
from studies.tools import MissingToolError

logger = logging.getLogger(__name__)

Ask = Callable[[Path, Sequence[Path], Path], list[dict[str, Any]]]
#: Name -> what it is, how it is asked, and the programs that tell its version (WebKit's tells none).
ENGINES: dict[str, tuple[str, Ask, tuple[str, ...]]] = {
    "node": ("Node, LiteRT.js", node.answers, ("node",)),
    "chromium": ("Chromium, LiteRT.js", browsers.chromium, ("chromium", "chromium-browser", "google-chrome")),
    "firefox": ("Firefox, LiteRT.js", browsers.firefox, ("firefox-esr", "firefox")),
    "webkit": ("WebKitGTK, LiteRT.js", browsers.webkit, ()),
    "jvm": ("Kotlin on a JVM, this package's network", jvm.answers, ("java",)),
}


@dataclass(frozen=True)
class Agreement:
    """What an engine made of the pictures.

    Args:
        summary: What it is.
        version: What it says of itself.
        pictures: Number asked.
        pixels: Number with equal pixels after preprocessing.
        scores: Number with equal scores, to the bit.
        answers: Number with the same label or reason.
        largest: Difference of any probability, 0..1.
        milliseconds: Median of one answer without decoding, None where it was not measured.
        missing: Why it could not be asked, else None.
    """

    summary: str
    version: str
    pictures: int
    pixels: int = 0
    scores: int = 0
    answers: int = 0
    largest: float = 0.0
    milliseconds: float | None = None
    missing: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it gives what this package gives."""
        return self.missing is None and self.pixels == self.scores == self.answers == self.pictures > 0


def measure(model: Path, files: Sequence[Path], names: Sequence[str], tools: Path) -> dict[str, Any]:
    """Ask the named engines for the answers to files (JSON types); tools: where clients are installed."""
    classifier = Classifier(model)
    expected = [_expected(classifier, file) for file in files]
    engines = {}
    for name in names:
        logger.info(f"asking {ENGINES[name][0]}")
        engines[name] = asdict(ask_engine(name, model, files, expected, tools))
    reasons = [one["reason"] for one in expected]
    return {
        "model": classifier.card.content["name"],
        "variant": classifier.card.variant,
        "pictures": len(files),
        "refused": reasons.count("not a chest X-ray"),
        "uncertain": reasons.count("uncertain"),
        "engines": engines,
        "environment": environment(),
    }


def ask_engine(
    name: str, model: Path, files: Sequence[Path], expected: Sequence[dict[str, Any]], tools: Path
) -> Agreement:
    """Return what one engine makes of the files."""
    summary, ask, programs = ENGINES[name]
    version = browsers.version(programs) if programs else browsers.webkit_version()
    try:
        found = ask(model, files, tools)
    except MissingToolError as error:
        return Agreement(summary, version, len(files), missing=str(error))
    pairs = list(zip(found, expected, strict=True))
    times = [one["milliseconds"] for one in found if "milliseconds" in one]
    return Agreement(
        summary=summary,
        version=version,
        pictures=len(files),
        pixels=sum(one["sha256"] == other["sha256"] for one, other in pairs),
        scores=sum(one["scores"] == other["scores"] for one, other in pairs),
        answers=sum(all(one[key] == other[key] for key in ("label", "reason")) for one, other in pairs),
        largest=max(
            float(np.abs(np.subtract(one["probabilities"], other["probabilities"])).max()) for one, other in pairs
        ),
        milliseconds=round(statistics.median(times), 1) if times else None,
    )


def expected_of(model: Path, files: Sequence[Path]) -> list[dict[str, Any]]:
    """Return what this package makes of the files, as the engines answer."""
    classifier = Classifier(model)
    return [_expected(classifier, file) for file in files]


def _expected(classifier: Classifier, file: Path) -> dict[str, Any]:
    pixels = classifier.card.preprocess.pixels(file)
    prediction = classifier.predict(file)
    return {
        "label": prediction.label,
        "reason": prediction.reason,
        "probabilities": list(prediction.probabilities.values()),
        "scores": classifier.scores(pixels[None])[0].tolist(),
        "sha256": pixel_hash(pixels),
    }


def known_engines(text: str) -> list[str]:
    """Read a comma-separated list of engines, or "all"."""
    return chosen_names(text, ENGINES, "Engines")
