"""How well the audit predicts what is right at a source that took no part, against other ways to predict it.

    python -m studies.audit_outside DATA [--outside OTHER] [--network CROSSVAL/transfer.csv] [--weights FILE] [--json] [--out results]

Each source is left out in turn, whole. From the other sources alone it is predicted how often the audit's probe will be right there; then it is
measured. Images of OTHER are tested and never learned from. What the audit knows of gaps beforehand is taken from the other left-out sources,
so the own gap of a source has no part in its prediction; the gaps of the others come from probes that were trained with its images, where these
are of DATA. The other ways:

inside    as often as inside: nothing is lost
pest      PEst: inside, less what the same probe reaches above chance on images whose pixels are shuffled (Ong Ly et al., npj Digit. Med. 7:124, 2024:
          P_source - P_DABIS + chance, there of areas under the curve)
middle    the same with the middle of the image black in place of shuffled pixels
left out  the mean recall at the sources of the rest, each left out in turn; where no class is at two of them there is none
atc, doc  with the images of the source, without their classes: average thresholded confidence (Garg et al., ICLR 2022), difference of
          confidences (Guillory et al., ICCV 2021)
"""

from __future__ import annotations

import csv
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from freezenet.train.options import weights_option
from studies.command import StudyCommand, data_argument, hand_over, result_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from freezenet.train.audit.outside import Gaps
    from freezenet.train.audit.probe import Bench
    from freezenet.train.data.dataset import Dataset

logger = logging.getLogger(__name__)

#: Ways to predict, the audit's own first.
WAYS = ("audit", "inside", "pest", "middle", "left_out", "atc", "doc")
#: A prediction within this many points is close.
CLOSE = 0.05


@dataclass(frozen=True)
class _Pool:
    """All images, and which of them may be learned from.

    Args:
        values: view -> (n, d) of `freezenet.train.audit.probe.prepared`.
        classes: (n,) of the images.
        patients: (n,) of the images.
        sources: (n,) of the images.
        learned: (n,) bool, whether an image is of DATA.
    """

    values: dict[str, NDArray]
    classes: NDArray
    patients: NDArray
    sources: NDArray
    learned: NDArray


def measure(
    data: Path, outside: Path | None, weights: str, network: Path | None = None, size: int = 224
) -> dict[str, Any]:
    """Return for each left-out source what is predicted and what is measured, and how often each way comes close (JSON types)."""
    from freezenet.edge_runtime.system.environment import environment

    pool = _pool(data, outside, weights, size)
    found = {source: one for source in sorted(set(pool.sources.tolist())) if (one := _left_out(pool, [source]))}
    elsewhere = sorted(set(pool.sources[~pool.learned].tolist()))
    together = _left_out(pool, elsewhere) if len(elsewhere) > 1 else None
    for sources, one in [
        *(([source], one) for source, one in found.items()),
        *([(elsewhere, together)] if together else []),
    ]:
        others = [row for other, row in found.items() if other not in sources]
        one["audit"] = _audited(pool, sources, one["shares"], _known(others))
    measured = _of_network(network) if network else {}
    for source, one in found.items():
        one["network"] = measured.get(source)
    known = _known(list(found.values()))
    return {
        "data": data.name,
        "outside": outside.name if outside else None,
        "weights": Path(weights).name,
        "images": int(pool.learned.sum()),
        "sources": found,
        "together": together and {"sources": elsewhere, **together},
        "close": {way: sum(_is_close(one, way) for one in found.values()) for way in WAYS},
        "mean_error": {way: _mean_error(found, way) for way in WAYS},
        "covered": sum(one["audit"]["low"] <= one["right"] <= one["audit"]["high"] for one in found.values()),
        "likely": sum(one["audit"]["likely"][0] <= one["right"] <= one["audit"]["likely"][1] for one in found.values()),
        "close_network": sum(
            one["network"] is not None and abs(one["right"] - one["network"]) <= CLOSE for one in found.values()
        ),
        "with_network": sum(one["network"] is not None for one in found.values()),
        "known": {"mean": round(known.mean, 3), "spread": round(known.spread, 3), "sources": known.sources},
        "environment": environment(),
    }


def _pool(data: Path, outside: Path | None, weights: str, size: int) -> _Pool:
    import numpy as np

    from freezenet.edge_runtime.images.preprocess import PreprocessSpec
    from freezenet.train.audit.features import extractor
    from freezenet.train.audit.options import AuditOptions
    from freezenet.train.audit.probe import prepared
    from freezenet.train.audit.views import without_middle
    from freezenet.train.data.images import read_images
    from freezenet.train.data.loading import load

    sets: list[Dataset] = [load(path) for path in (data, outside) if path is not None]
    pixels = np.concatenate([read_images(one, PreprocessSpec((size, size))).pixels for one in sets])
    rng = np.random.default_rng(0)
    shuffled = np.stack([rng.permutation(one.ravel()).reshape(one.shape) for one in pixels])
    extract = extractor(AuditOptions(weights=weights, image_size=size), 3 * len(pixels))
    views = {"whole": pixels, "pest": shuffled, "middle": without_middle(pixels)}
    samples = [sample for one in sets for sample in one.samples]
    return _Pool(
        {name: prepared(extract(one)) for name, one in views.items()},
        np.array([sample.label for sample in samples]),
        np.array([sample.patient for sample in samples]),
        np.array([sample.source for sample in samples]),
        np.arange(len(samples)) < len(sets[0].samples),
    )


def _bench(pool: _Pool, rows: NDArray) -> Bench:
    from freezenet.train.audit.probe import Bench, draw_folds
    from freezenet.train.metrics.draws import patient_draws

    classes, patients = pool.classes[rows], pool.patients[rows]
    return Bench(classes, patients, draw_folds(classes, patients, 5, 0), patient_draws(patients.tolist(), draws=1))


def _rows(pool: _Pool, sources: list[str]) -> tuple[NDArray, NDArray]:
    """Return the numbers of the images that are learned from without these sources, and of those that are tested."""
    import numpy as np

    left_out = np.isin(pool.sources, sources)
    taught = np.flatnonzero(pool.learned & ~left_out & ~np.isin(pool.patients, pool.patients[left_out]))
    return taught, np.flatnonzero(left_out & np.isin(pool.classes, pool.classes[taught]))


def _left_out(pool: _Pool, sources: list[str]) -> dict[str, Any] | None:
    """Return what is measured at these sources and predicted otherwise than by the audit; None where it cannot be tested."""
    import numpy as np

    from freezenet.train.audit.outside import LEAST, left_out_recalls
    from freezenet.train.audit.probe import trained

    taught, tested = _rows(pool, sources)
    if len(tested) < LEAST or len(set(pool.classes[taught].tolist())) < 2:
        return None
    bench, truth = _bench(pool, taught), pool.classes[tested]
    names = np.unique(bench.classes)
    scores = {view: np.zeros((len(taught), len(names))) for view in pool.values}
    for view, values in pool.values.items():
        for fold in range(int(bench.folds.max()) + 1):
            out = bench.folds == fold
            scores[view][out] = trained(values[taught][~out], bench.classes[~out]).predict_proba(values[taught][out])
    answers = {view: names[one.argmax(1)] for view, one in scores.items()}
    there = trained(pool.values["whole"][taught], bench.classes).predict_proba(pool.values["whole"][tested])
    right = names[there.argmax(1)] == truth
    shares = {label: float((truth == label).mean()) for label in np.unique(truth).tolist()}

    def at_these_classes(of: dict[str, float]) -> float:
        return round(sum(share * of[label] for label, share in shares.items()), 6)

    recalls = {
        view: {label: float((one[bench.classes == label] == label).mean()) for label in names.tolist()}
        for view, one in answers.items()
    }
    chance = {label: float((bench.classes == label).mean()) for label in names.tolist()}
    inside = at_these_classes(recalls["whole"])
    seen = left_out_recalls(pool.values["whole"][taught], pool.sources[taught], bench)
    means = {label: float(np.mean([at.recall.value for at in one.values()])) for label, one in seen.items() if one}
    sure, sure_there = scores["whole"].max(1), there.max(1)
    accuracy = float((answers["whole"] == bench.classes).mean())
    return {
        "images": len(tested),
        "shares": {label: round(share, 6) for label, share in shares.items()},
        "right": round(float(right.mean()), 6),
        "inside": inside,
        "pest": round(inside - at_these_classes(recalls["pest"]) + at_these_classes(chance), 6),
        "middle": round(inside - at_these_classes(recalls["middle"]) + at_these_classes(chance), 6),
        "left_out": at_these_classes(means) if shares.keys() <= means.keys() else None,
        "atc": round(float((sure_there > np.quantile(sure, 1 - accuracy)).mean()), 6),
        "doc": round(accuracy - float(sure.mean() - sure_there.mean()), 6),
        "gaps": {
            label: round(recalls["whole"][label] - float(right[truth == label].mean()), 6)
            for label in shares
            if (truth == label).sum() >= LEAST
        },
    }


def _known(found: list[dict[str, Any]]) -> Gaps:
    """Return what these sources say of gaps; of fewer than three gaps, what the audit knows, since two have no spread to speak of."""
    import numpy as np

    from freezenet.train.audit.outside import KNOWN, Gaps

    gaps = [gap for one in found for gap in one["gaps"].values()]
    if len(gaps) < 3:
        return KNOWN
    return Gaps(float(np.mean(gaps)), float(np.std(gaps, ddof=1)), len(found))


def _audited(pool: _Pool, sources: list[str], shares: dict[str, float], known: Gaps) -> dict[str, Any]:
    from freezenet.train.audit.outside import predict_outside
    from freezenet.train.audit.probe import cross_validated

    taught, _ = _rows(pool, sources)
    bench, values = _bench(pool, taught), pool.values["whole"][taught]
    whole = cross_validated(values, bench.classes, bench.folds)
    found = predict_outside(values, pool.sources[taught], bench, whole=whole, shares=shares, known=known)
    return {**found.accuracy.to_dict(), "likely": list(found.likely)}


def _of_network(table: Path) -> dict[str, float]:
    """Return source -> how often networks were right there that had not seen it, from the transfer.csv of a cross-validation."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["outside"]]
    found = {}
    for source in {row["value"] for row in rows}:
        of = [(int(row["images"]), float(row["outside"])) for row in rows if row["value"] == source]
        found[source] = sum(images * recall for images, recall in of) / sum(images for images, _ in of)
    return found


def _value(one: dict[str, Any], way: str) -> float | None:
    return one["audit"]["value"] if way == "audit" else one[way]


def _audit(one: dict[str, Any]) -> str:
    from freezenet.train.metrics.figure import Figure

    return f"{Figure(*(one['audit'][key] for key in ('value', 'low', 'high'))):.2f}"


def _is_close(one: dict[str, Any], way: str) -> bool:
    value = _value(one, way)
    return value is not None and abs(value - one["right"]) <= CLOSE


def _mean_error(found: dict[str, Any], way: str) -> float | None:
    errors = [abs(value - one["right"]) for one in found.values() if (value := _value(one, way)) is not None]
    return round(sum(errors) / len(errors), 6) if errors else None


@click.command(cls=StudyCommand)
@data_argument
@click.option(
    "--outside", type=click.Path(path_type=Path, exists=True), help="DATA that is tested and never learned from."
)
@click.option(
    "--network",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="transfer.csv of a cross-validation of DATA.",
)
@weights_option
@result_options
def main(data, outside, network, weights, as_json, out) -> None:
    """Compare ways to predict how often a probe is right at a source that took no part, each source of DATA left out in turn."""
    result = measure(data, outside, weights, network)
    lines = ["\t".join(("source", "images", "right", *WAYS))]
    for source, one in result["sources"].items():
        others = ["-" if (value := _value(one, way)) is None else f"{value:.2f}" for way in WAYS[1:]]
        lines.append("\t".join((source, str(one["images"]), f"{one['right']:.2f}", _audit(one), *others)))
    if one := result["together"]:
        lines.append(f"{' and '.join(one['sources'])} together\t{one['right']:.2f}\t{_audit(one)}")
    lines.append(f"within 5 points: {result['close']}; mean error: {result['mean_error']}")
    lines.append(f"the probe within 5 points of the network: {result['close_network']} of {result['with_network']}")
    held = f"95 %: {result['covered']}, 80 %: {result['likely']} of {len(result['sources'])}"
    lines.append(f"intervals that hold: {held}; known of gaps: {result['known']}")
    hand_over(result, f"audit-outside-{data.stem}", "\n".join(lines), as_json, out)


if __name__ == "__main__":
    main()
