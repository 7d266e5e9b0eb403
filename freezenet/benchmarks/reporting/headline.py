"""What comes first in a report: the verdict in plain words, and what may be concluded from it and what not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from freezenet.benchmarks.figures import three_digits
from freezenet.benchmarks.reporting.conclusions import concluded, not_concluded
from freezenet.benchmarks.reporting.silence import Silence
from freezenet.edge_runtime.names import counted
from freezenet.train.metrics.sources import SourceTable
from freezenet.train.metrics.verdict import CANNOT_TELL, NOT_WORSE, WORSE

#: The file that a phone gets, where it was made.
_FAVOURITE = "int8"
#: The verdict for somebody who does not know the words of the method.
_PLAIN = {
    NOT_WORSE: "A loss that would matter is ruled out for images like these.",
    WORSE: "A loss that matters was shown.",
    CANNOT_TELL: "Whether it is worse cannot be told from so few images: a loss that would matter is neither shown nor ruled out.",
}


@dataclass(frozen=True)
class Headline:
    """Sentences for somebody who reads nothing else.

    Args:
        name: of the variant that the report is about.
        verdict: that it is not worse, or is, or that this cannot be told, in plain words.
        method: the same in those of the method, with figures.
        silence: how much it answers, how much of that is wrong, and whether what was promised of it is shown.
        outside: where none of this is shown to hold.
        yes, no: what may be concluded, how much smaller and faster it is among it, and what may not.
    """

    name: str
    verdict: str
    method: str
    silence: str
    outside: str
    yes: tuple[str, ...]
    no: tuple[str, ...]


def headline_variant(comparison: Mapping[str, Any]) -> str:
    """Return the variant that a report is about: int8 where it is there, else the smallest file beside the reference."""
    variants, reference = comparison["variants"], comparison["reference"]
    if _FAVOURITE in variants:
        return _FAVOURITE
    others = [name for name in variants if name != reference]
    return min(others, key=lambda name: variants[name]["bytes"], default=reference)


def headline(
    results: Mapping[str, Any],
    metrics: Mapping[str, Any],
    latency: Mapping[str, Mapping[str, Any]],
    sources: SourceTable,
    groups: Sequence[Mapping[str, Any]] = (),
    worst: str = "",
) -> Headline:
    """Return what to say first.

    Args:
        results, metrics: what stands in results.json and metrics.json.
        latency: variant -> its row.
        sources: of the data.
        groups: of the variant's images, with the names that the report gives to sources.
        worst: where the variant does worst, in a sentence, "" where that is a class.
    """
    comparison = results["comparison"]
    name, reference = headline_variant(comparison), comparison["reference"]
    one = comparison["variants"][name]
    silence, verdict = Silence.of(one, comparison["images"]), one.get("verdict")
    outside = "Nothing here shows how it answers about images of another hospital, another X-ray machine or other patients: none was tested."
    gain: tuple[str, ...] = ()
    if name != reference:
        gain = (_gain(name, reference, comparison["variants"], latency, results["environment"]["cpu"]),)
    return Headline(
        name,
        _plain(name, reference, one, comparison["images"]) if verdict else "",
        verdict["sentence"] if verdict else "",
        f"{silence.sentence(name)} {silence.promise(metrics.get('confidence', {}))}".strip() if silence else "",
        f"{outside} {sources.elsewhere}".strip(),
        (*concluded(name, comparison, groups, worst), *gain),
        tuple(not_concluded(name, results, metrics, sources)),
    )


def _plain(name: str, reference: str, one: Mapping[str, Any], images: int) -> str:
    same = images - len(one["flipped"])
    return (
        f"If both must answer all, {name} gives the same answer as {reference}, the file without loss, for {same} of "
        f"{counted(images, 'test image')}. "
        f"{_PLAIN[one['verdict']['verdict']]}"
    )


def _gain(
    name: str, reference: str, variants: Mapping[str, Any], latency: Mapping[str, Mapping[str, Any]], cpu: str
) -> str:
    size = [variants[one]["bytes"] / 1e6 for one in (reference, name)]
    # What other work adds to a median it does not add to the fastest.
    busy = any(latency[one].get("notes") for one in (reference, name))
    key, which = ("min_ms", "the fastest, because the computer was not idle") if busy else ("p50_ms", "median")
    times = [latency[one][key] for one in (reference, name)]
    return (
        f"{name} is {_ratio(size, 'smaller', 'larger')} ({size[1]:.2f} in place of {size[0]:.2f} MB) and "
        f"{_ratio(times, 'faster', 'slower')} on the computer that measured ({three_digits(times[1])} in place of {three_digits(times[0])} ms an image, "
        f"{which}; {cpu})."
    )


def _ratio(pair: Sequence[float], better: str, worse: str) -> str:
    before, after = pair
    return f"{before / after:.1f} times {better}" if after <= before else f"{after / before:.1f} times {worse}"
