"""Whether the verdict of `freezenet compare` keeps what it promises: drawn answers of two models whose true difference is known.

    python -m studies.verdict [--repeats 1000] [--draws 1000] [--json] [--out results]

No network runs. Each class has its own shares of images that only the one model has right, only the other, both and neither; images of
one patient take the patient's own fate with a chance that is given. From these shares the true differences follow.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from studies.command import StudyCommand, hand_over, result_options

logger = logging.getLogger(__name__)

#: Of the files and images of the speed that is promised, and its draws.
FILES, IMAGES, DRAWS = 7, 5000, 10_000
#: An endpoint that fewer patients are expected to change cannot have an interval of exactly 95 %: counts are whole numbers.
FEW = 10.0


@dataclass(frozen=True)
class Scenario:
    """A world to draw answers from.

    Args:
        name: what is looked at: "interval", "margin" (the loss is exactly the margin) or "power".
        images: of each class.
        lost, won: shares of each class that only the reference, and only the other model, has right.
        wrong: share that both have wrong.
        together: images of a patient.
        alike: chance of an image to take its patient's fate rather than its own, 0 to 1.
        macro_f1, recall: margins.
    """

    name: str
    images: tuple[int, ...]
    lost: tuple[float, ...]
    won: tuple[float, ...]
    wrong: float = 0.08
    together: int = 1
    alike: float = 0.0
    macro_f1: float = 0.01
    recall: float = 0.02

    @cached_property
    def truth(self) -> NDArray[np.int_]:
        """The class (n,) of each image."""
        return np.repeat(np.arange(len(self.images)), self.images)

    @cached_property
    def patients(self) -> NDArray[np.int_]:
        """The patient (n,) of each image, whose images are all of one class."""
        within = np.concatenate([np.arange(count) // self.together for count in self.images])
        return np.unique(np.stack([self.truth, within]), axis=1, return_inverse=True)[1].reshape(-1)

    def differences(self) -> dict[str, float]:
        """Return the true difference of each endpoint."""
        classes = len(self.images)
        f1 = []
        for better in (self.lost, self.won):
            right = [
                1 - self.wrong - lost - won + one for lost, won, one in zip(self.lost, self.won, better, strict=True)
            ]
            counts = np.diag([share * count for share, count in zip(right, self.images, strict=True)])
            for label, count in enumerate(self.images):
                counts[label, (label + 1) % classes] += count - counts[label, label]
            f1.append(float(np.mean(2 * np.diag(counts) / (counts.sum(0) + counts.sum(1)))))
        recalls = {
            f"recall of {label}": won - lost for label, (lost, won) in enumerate(zip(self.lost, self.won, strict=True))
        }
        return {"macro-F1": f1[1] - f1[0], **recalls}

    def changed_patients(self) -> dict[str, float]:
        """Return how many patients are expected to have a changed answer that bears on each endpoint, at least."""
        each = [count / self.together * (a + b) for count, a, b in zip(self.images, self.lost, self.won, strict=True)]
        return {"macro-F1": sum(each), **{f"recall of {label}": one for label, one in enumerate(each)}}

    def draw(self, rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return the answers (n, classes) of the reference and of the other model."""
        own = rng.random(len(self.truth))
        fate = np.where(rng.random(len(own)) < self.alike, rng.random(self.patients.max() + 1)[self.patients], own)
        lost, won = np.array(self.lost)[self.truth], np.array(self.won)[self.truth]
        only_reference, only_other = fate < lost, (fate >= lost) & (fate < lost + won)
        neither = fate >= 1 - self.wrong
        other = (self.truth + 1) % len(self.images)
        answers = (np.where(one | neither, other, self.truth) for one in (only_other, only_reference))
        before, after = (np.eye(len(self.images), dtype=bool)[one] for one in answers)
        return before, after


def scenarios() -> list[Scenario]:
    """Return the worlds of the study."""
    three, rare = (1000, 1000, 1000), (4000, 750, 250)
    lost, won = (0.05, 0.0, 0.0), (0.03, 0.005, 0.005)
    found = [
        Scenario("interval", (100, 100, 100), (0.03,) * 3, (0.03,) * 3),
        Scenario("interval", (180, 90, 30), (0.06,) * 3, (0.04,) * 3),
        Scenario("interval", (330, 330, 250), (0.03,) * 3, (0.02,) * 3),
        Scenario("interval", (330, 330, 250), (0.05,) * 3, (0.04,) * 3, together=3, alike=0.8),
        Scenario("interval", rare, (0.02,) * 3, (0.02,) * 3),
        Scenario("interval", rare, (0.02,) * 3, (0.01,) * 3, together=5, alike=0.5),
        Scenario("margin", three, lost, won, macro_f1=0.5),
        Scenario("margin", three, (0.02, 0.0, 0.0), (0.0, 0.005, 0.005), macro_f1=0.5),
        Scenario("margin", three, lost, won, macro_f1=0.5, together=4, alike=0.8),
        Scenario("margin", (250, 4000, 750), lost, won, macro_f1=0.5),
        _at_macro_f1(Scenario("margin", three, (0.02,) * 3, (0.01,) * 3, recall=0.5)),
        _at_macro_f1(Scenario("margin", rare, (0.02,) * 3, (0.01,) * 3, recall=0.5)),
    ]
    for count in (200, 400, 800, 1600):
        found.append(Scenario("power", (count,) * 3, (0.005,) * 3, (0.005,) * 3))
    return found


def _at_macro_f1(start: Scenario) -> Scenario:
    """Return the scenario with the losses at which macro-F1 loses its margin."""
    low, high = 0.0, 0.2
    one = start
    for _ in range(40):
        middle = (low + high) / 2
        one = replace(start, lost=(middle,) * len(start.images))
        low, high = (middle, high) if one.differences()["macro-F1"] > -start.macro_f1 else (low, middle)
    return one


def simulate(scenario: Scenario, repeats: int, draws: int, seed: int) -> dict[str, Any]:
    """Return how often the intervals hold the truth and how often each verdict is given (JSON types)."""
    from freezenet.train.metrics.verdict import LEVEL, Margins, measured

    rng = np.random.default_rng(seed)
    truth = np.eye(len(scenario.images), dtype=bool)[scenario.truth]
    labels = [str(one) for one in range(len(scenario.images))]
    patients = scenario.patients.astype(str).tolist()
    margins = Margins(scenario.macro_f1, scenario.recall)
    real = scenario.differences()
    covered, widths = dict.fromkeys(real, 0), dict.fromkeys(real, 0.0)
    not_worse = worse = 0
    for _ in range(repeats):
        before, after = scenario.draw(rng)
        ends = measured(truth, before, {"other": after}, labels, patients, margins=margins, draws=draws)["other"]
        for one in ends:
            covered[one.name] += one.difference.low <= real[one.name] <= one.difference.high
            widths[one.name] += one.difference.high - one.difference.low
        not_worse += max(one.p_not_worse for one in ends) <= LEVEL
        worse += len(ends) * min(one.p_worse for one in ends) <= LEVEL
    # Of the count that NumPy gives, JSON knows nothing.
    not_worse, worse = int(not_worse), int(worse)
    return {
        **asdict(scenario),
        "repeats": repeats,
        "changed_patients": {name: round(count, 1) for name, count in scenario.changed_patients().items()},
        "difference": {name: round(value, 6) for name, value in real.items()},
        "coverage": {name: count / repeats for name, count in covered.items()},
        "width": {name: round(total / repeats, 6) for name, total in widths.items()},
        "not_worse": not_worse / repeats,
        "worse": worse / repeats,
    }


def speed() -> dict[str, Any]:
    """Return the seconds that the verdicts about FILES files on IMAGES images of 2 a patient take with DRAWS draws."""
    from freezenet.train.metrics.verdict import verdicts

    rng = np.random.default_rng(0)
    every = np.eye(4, dtype=bool)
    truth = rng.choice(4, IMAGES, p=[0.4, 0.3, 0.2, 0.1])
    before = np.where(rng.random(IMAGES) < 0.9, truth, rng.integers(0, 4, IMAGES))
    models = {
        str(number): every[np.where(rng.random(IMAGES) < 0.98, before, rng.integers(0, 4, IMAGES))]
        for number in range(FILES)
    }
    patients = [f"patient {number // 2}" for number in range(IMAGES)]
    began, began_cpu = time.perf_counter(), time.process_time()
    verdicts(every[truth], every[before], models, "abcd", patients, draws=DRAWS)
    seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    return {
        "files": FILES,
        "images": IMAGES,
        "draws": DRAWS,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
    }


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the extremes over all worlds: what has to hold."""
    known = [
        (row["coverage"][name], count)
        for row in rows
        for name, count in row["changed_patients"].items()
        if row["name"] != "power" and count > 0
    ]
    found: dict[str, Any] = {}
    for kind, shares in (
        ("enough", [share for share, count in known if count >= FEW]),
        ("few", [share for share, count in known if count < FEW]),
    ):
        found[f"{kind}_changes"] = {
            "intervals": len(shares),
            "least_coverage": min(shares, default=None),
            "mean_coverage": round(float(np.mean(shares)), 4) if shares else None,
            "most_coverage": max(shares, default=None),
        }
    return found | {
        "false_not_worse": max(row["not_worse"] for row in rows if row["name"] == "margin"),
        "false_worse": max(row["worse"] for row in rows if row["name"] == "margin"),
    }


def table(result: dict[str, Any]) -> list[list[str]]:
    """Return a row of texts for each world."""
    rows = []
    for row in result["rows"]:
        enough = [row["coverage"][name] for name, count in row["changed_patients"].items() if count >= FEW]
        spread = f"{min(enough):.3f} to {max(enough):.3f}" if enough else "-"
        patients = (
            f"{row['together']} of a patient, {row['alike']:.0%} alike" if row["together"] > 1 else "1 of a patient"
        )
        points = [f"{100 * value:+.1f}" for value in row["difference"].values()]
        losses = f"{points[0]}; {', '.join(points[1:])}"
        rows.append(
            [
                row["name"],
                " + ".join(map(str, row["images"])),
                patients,
                losses,
                spread,
                f"{row['not_worse']:.1%}",
                f"{row['worse']:.1%}",
            ]
        )
    return rows


HEADINGS = [
    "looked at",
    "images of each class",
    "images",
    "true points of macro-F1; of recalls",
    "intervals that hold it",
    "not worse",
    "worse",
]


@click.command(cls=StudyCommand)
@click.option("--repeats", default=1000, show_default=True, type=click.IntRange(1), help="Comparisons in each world.")
@click.option(
    "--draws",
    default=1000,
    show_default=True,
    type=click.IntRange(100),
    help="Of each bootstrap; compare itself makes 10,000.",
)
@result_options
def main(repeats, draws, as_json, out) -> None:
    """Count how often the intervals hold the true difference, and how often a loss of the margin is called not worse."""
    from freezenet.edge_runtime.system.environment import environment

    timed = speed()
    rows = []
    for number, scenario in enumerate(scenarios(), 1):
        # A power needs no third digit.
        rows.append(simulate(scenario, repeats if scenario.name != "power" else -(-repeats // 4), draws, number))
        logger.info(
            f"{number}: coverage {rows[-1]['coverage']}, not worse {rows[-1]['not_worse']:.3f}, worse {rows[-1]['worse']:.3f}"
        )
    result = {
        "repeats": repeats,
        "draws": draws,
        "summary": summary(rows),
        "speed": timed,
        "rows": rows,
        "environment": environment(),
    }
    text = "\n".join(
        ["\t".join(HEADINGS), *("\t".join(row) for row in table(result)), str(result["summary"]), str(timed)]
    )
    hand_over(result, "verdict", text, as_json, out)


if __name__ == "__main__":
    main()
