"""What a clinic asks of a model: a sensitivity for one class, a share of wrong answers, how frequent its classes are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from freezenet.edge_runtime.errors import SettingError

_KINDS = "sensitivity=0.95:CLASS, risk=0.02 or prevalence=CLASS:0.01,CLASS:0.2"


@dataclass(frozen=True)
class Sensitivity:
    """Of the images of a class, the share, 0..1, that shall be answered with it."""

    label: str
    share: float


@dataclass(frozen=True)
class Targets:
    """What is asked for; each part may be absent.

    Args:
        sensitivity: of one class.
        risk: share of wrong answers among those given, 0..1; beside a sensitivity, among the answers with another class.
        prevalence: label -> share of the images, 0..1, that the model will see; the rest belongs to the labels that are not named.
    """

    sensitivity: Sensitivity | None = None
    risk: float | None = None
    prevalence: dict[str, float] = field(default_factory=dict)

    @classmethod
    def parse(cls, texts: Sequence[str], labels: Sequence[str]) -> Targets:
        """Read targets as the command takes them; SettingError where one cannot be meant.

        Args:
            texts: each of the form `sensitivity=0.95:CLASS`, `risk=0.02` or `prevalence=CLASS:0.01,CLASS:0.2`.
            labels: of the model.
        """
        found = cls()
        for text in texts:
            kind, _, value = text.partition("=")
            if (kind == "sensitivity" and found.sensitivity) or (kind == "risk" and found.risk is not None):
                raise SettingError(f"One target {kind} is required. Got: two; run localize once for each.")
            if kind == "sensitivity":
                share, _, label = value.partition(":")
                found = replace(found, sensitivity=Sensitivity(_known(label, labels, text), _share(share, text)))
            elif kind == "risk":
                found = replace(found, risk=_share(value, text))
            elif kind == "prevalence":
                parts = [one.rpartition(":") for one in value.split(",")]
                named = {_known(label.strip(), labels, text): _share(share, text) for label, _, share in parts}
                given = [*found.prevalence, *(label.strip() for label, _, _ in parts)]
                twice = [label for number, label in enumerate(given) if label in given[:number]]
                if twice:
                    raise SettingError(
                        f"One prevalence of each class is required. Got: {twice[0]} twice; give it once."
                    )
                found = replace(found, prevalence={**found.prevalence, **named})
            else:
                raise SettingError(f"A target such as {_KINDS} is required. Got: {text!r:.80}.")
        total = sum(found.prevalence.values())
        if found.prevalence and (total > 1 if len(found.prevalence) < len(labels) else abs(total - 1) > 1e-6):
            raise SettingError(
                f"Prevalences that add up to 1, or to less where a class is not named, are required. Got: {total:g}."
            )
        return found

    def given_up(self, earlier: Sequence[str]) -> list[str]:
        """Return which of earlier targets no longer hold: all but those asked for again, and a risk whose threshold stays. earlier: as of `texts`."""
        kept = self.texts()
        return [
            text for text in earlier if text not in kept and (self.risk is not None or not text.startswith("risk="))
        ]

    def texts(self) -> list[str]:
        """Return the targets as the command takes them."""
        found = [f"sensitivity={self.sensitivity.share:g}:{self.sensitivity.label}"] if self.sensitivity else []
        found += [] if self.risk is None else [f"risk={self.risk:g}"]
        named = ",".join(f"{label}:{share:g}" for label, share in self.prevalence.items())
        return found + ([f"prevalence={named}"] if named else [])


def _share(text: str, whole: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise SettingError(f"A share between 0 and 1 is required, as in {_KINDS}. Got: {whole!r:.80}.")
    return value


def _known(label: str, labels: Sequence[str], whole: str) -> str:
    if label not in labels:
        raise SettingError(f"A class of the model, {', '.join(labels)}, is required in a target. Got: {whole!r:.80}.")
    return label
