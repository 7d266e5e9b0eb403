"""Choose a rule on a clinic's own images: temperature and bias, other priors, the threshold of a class, abstention."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from freezenet.benchmarks.localize.ranks import largest_share, least_answers, least_patients, rank_for
from freezenet.benchmarks.localize.targets import Sensitivity, Targets
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.names import counted

#: Standard deviations of log T and of the bias before the images speak.
_TEMPERATURE_PRIOR, _BIAS_PRIOR = 0.5, 2.0
_DECIMALS = 6


@dataclass(frozen=True)
class Labelled:
    """What the network says about n labelled images that the OOD gate lets pass.

    Args:
        scores: (n, classes) float, 0..1.
        truth: (n,) number of the true class.
        patients: (n,) numbers that tell patients apart.
        shares: (classes,) how frequent each class is among all labelled images, refused ones too.
    """

    scores: NDArray
    truth: NDArray[np.integer]
    patients: NDArray[np.integer]
    shares: NDArray[np.float64]


def localized_rule(rule: DecisionRule, images: Labelled, targets: Targets, *, strict: bool = True) -> DecisionRule:
    """Return the rule with temperature and bias of these images, and the thresholds that the targets ask for.

    What is not asked for stays: without a risk, abstention is that of `rule`.

    Args:
        rule: of the model's card, multi-class.
        images: to choose on.
        targets: what is asked for.
        strict: refuse targets that so few images cannot show; otherwise come as near as possible.

    Raises:
        DataError: the images are too few, or of one class.
    """
    require_two_classes(images.truth)
    temperature, bias = temperature_and_bias(rule, images)
    bias = bias + prior_shift(rule.labels, images.shares, targets.prevalence)
    found = replace(_without_answer_from(rule), temperature=temperature, bias=bias.round(_DECIMALS))
    if targets.sensitivity:
        found = _with_sensitivity(found, images, targets.sensitivity, strict)
    return found if targets.risk is None else _with_risk(found, images, targets, targets.risk, strict)


def require_two_classes(truth: NDArray[np.integer]) -> None:
    """Raise DataError where images (n,) that the OOD gate lets pass are of fewer than two classes: they choose nothing."""
    present = np.unique(truth)
    if len(present) < 2:
        raise DataError(
            "Images of two classes of the model or more, which its OOD gate lets pass, are required. "
            f"Got: {len(present)}; label images of another class."
        )


def temperature_and_bias(rule: DecisionRule, images: Labelled) -> tuple[float, NDArray[np.float64]]:
    """Return T and the bias (classes,) that make the truth of the images most likely.

    Bias-corrected temperature scaling (Alexandari, Kundaje and Shrikumar, Maximum Likelihood with Bias-Corrected Calibration, ICML 2020, section 3), with
    log T ~ N(0, .5) and bias ~ N(0, 2) before the images speak. The images are taken for what the clinic sees: a class without one becomes less probable.
    """
    logs = np.log(np.clip(images.scores.astype(np.float64), rule.smallest_score, 1))
    row, column = np.arange(len(logs)), images.truth

    def penalized(values: NDArray) -> tuple[float, NDArray]:
        logits = logs * np.exp(-values[0]) + values[1:]
        logits = logits - logits.max(-1, keepdims=True)
        likely = np.exp(logits)
        likely /= likely.sum(-1, keepdims=True)
        loss = -np.log(np.maximum(likely[row, column], 1e-300)).sum()
        gap = likely.copy()
        gap[row, column] -= 1
        slope = np.concatenate([[-(gap * logs).sum() * np.exp(-values[0])], gap.sum(0)])
        spread = np.array([_TEMPERATURE_PRIOR, *[_BIAS_PRIOR] * logs.shape[1]])
        return float(loss + 0.5 * ((values / spread) ** 2).sum()), slope + values / spread**2

    bounds = [(-3.0, 3.0), *[(-20.0, 20.0)] * logs.shape[1]]
    best = minimize(penalized, np.zeros(1 + logs.shape[1]), jac=True, bounds=bounds, method="L-BFGS-B").x
    return round(float(np.exp(best[0])), 4), best[1:]


def prior_shift(
    labels: tuple[str, ...], shares: NDArray[np.float64], prevalence: dict[str, float]
) -> NDArray[np.float64]:
    """Return what other prevalences add to the bias (classes,): log(wanted / that of the images), 0 without any.

    Saerens, Latinne and Decaestecker, Neural Computation 14, 2002, equation 2.4. Classes that are not named share the rest in the proportion that they have.
    """
    if not prevalence:
        return np.zeros(len(labels))
    empty = [label for label in prevalence if not shares[labels.index(label)]]
    if empty:
        raise DataError(
            f"Images of each class whose prevalence is given are required. Got: none of {', '.join(empty)}; "
            "label some, or leave the class out of the target."
        )
    named = np.isin(labels, list(prevalence))
    rest = shares[~named].sum()
    left = 1 - sum(prevalence.values())
    if (rest > 0) != (left > 1e-9):
        raise DataError(
            "Prevalences that leave a share to the classes of the images that are not named, and to no others, are required. "
            f"Got: {left:.3g} left for {rest:.0%} of the images."
        )
    shift = np.full(len(labels), np.log(left / rest) if rest else 0.0)
    for label, share in prevalence.items():
        shift[labels.index(label)] = np.log(share / shares[labels.index(label)])
    return shift


def class_weights(
    labels: tuple[str, ...], shares: NDArray[np.float64], prevalence: dict[str, float]
) -> NDArray[np.float64]:
    """Return how much an image of each class (classes,) counts where the classes are as frequent as they will be."""
    return np.exp(prior_shift(labels, shares, prevalence))


def _without_answer_from(rule: DecisionRule) -> DecisionRule:
    """Return the rule of a file that was localized before without the thresholds of an earlier sensitivity: its class abstains as the others do."""
    least = rule.class_abstain_below
    if rule.answer_from is not None and least is not None:
        least = np.where(np.isnan(rule.answer_from), least, rule.abstain_below)
        least = None if (least == rule.abstain_below).all() else least
    return replace(rule, answer_from=None, class_abstain_below=least)


def _with_sensitivity(rule: DecisionRule, images: Labelled, wanted: Sensitivity, strict: bool) -> DecisionRule:
    number = rule.labels.index(wanted.label)
    those = images.truth == number
    scores = rule.probabilities(images.scores)[those, number]
    # A patient with several images counts by the one that is hardest to find.
    order = np.sort([scores[images.patients[those] == one].min() for one in np.unique(images.patients[those])])[::-1]
    rank = rank_for(wanted.share, len(order))
    if rank > len(order):
        if strict or not len(order):
            raise DataError(
                f"At least {least_patients(wanted.share)} patients with {wanted.label}, whose images the OOD gate lets pass, are required for a "
                f"sensitivity of {wanted.share:g}. Got: {len(order)}; label {counted(least_patients(wanted.share) - len(order), 'more patient')}"
                f"{f', or ask for at most {np.floor(100 * largest_share(len(order))) / 100:g}' if len(order) else ''}."
            )
        rank = len(order)
    threshold = np.floor(order[rank - 1] * 10**_DECIMALS) / 10**_DECIMALS
    answer_from = np.full(len(rule.labels), np.nan)
    answer_from[number] = threshold
    least = (
        np.full(len(rule.labels), rule.abstain_below)
        if rule.class_abstain_below is None
        else rule.class_abstain_below.copy()
    )
    least[number] = 0.0
    return replace(rule, answer_from=answer_from, class_abstain_below=least)


def _with_risk(rule: DecisionRule, images: Labelled, targets: Targets, risk: float, strict: bool) -> DecisionRule:
    """Choose the lowest confidence at which (wrong + 1) / (answers + 1) is at most the risk, each image by its weight.

    The one more that may be wrong is that of conformal risk control (Angelopoulos, Bates, Fisch, Lei and Schuster, ICLR 2024, equation 4).
    """
    probabilities = rule.probabilities(images.scores)
    answer = rule.chosen(probabilities).argmax(-1)
    finding = None if targets.sensitivity is None else rule.labels.index(targets.sensitivity.label)
    others = answer != finding
    weights = class_weights(rule.labels, images.shares, targets.prevalence)[images.truth]
    confidence = probabilities[np.arange(len(answer)), answer][others]
    wrong, weight = (answer != images.truth)[others], weights[others]
    order = np.argsort(-confidence, kind="stable")
    sure, one = confidence[order], weights.max()
    reached = (np.cumsum((wrong * weight)[order]) + one) / (np.cumsum(weight[order]) + one)
    last_of_equals = np.append(sure[1:] != sure[:-1], True)[: len(sure)]
    allowed = np.flatnonzero(last_of_equals & (reached <= risk + 1e-12))
    if len(allowed):
        threshold = float(np.floor(sure[allowed[-1]] * 10**_DECIMALS) / 10**_DECIMALS)
    elif strict:
        best = np.ceil(100 * reached[last_of_equals].min()) / 100 if len(sure) else 1.0
        raise DataError(
            f"At least {least_answers(risk)} sure and right answers are required to show a risk of {risk:g}. Got: {len(sure)} answers, of whose surest "
            f"at best {best:g} may be wrong; label more images{f', or ask for risk={best:g}' if best < 1 else ''}."
        )
    else:
        threshold = 1.0
    least = np.full(len(rule.labels), threshold)
    if finding is not None:
        least[finding] = 0.0
    return replace(rule, abstain_below=threshold, class_abstain_below=None if finding is None else least)
