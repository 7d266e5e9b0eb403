"""What a model file says about itself, for people and as JSON types."""

from __future__ import annotations

from typing import Any

import numpy as np

from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.names import counted


def tensors_of(classifier: Classifier) -> dict[str, list[dict[str, Any]]]:
    """Return the tensors of a model (JSON types)."""
    tensors = classifier.interpreter
    sides = {"inputs": tensors.inputs, "outputs": tensors.outputs}
    names = {"inputs": ["image"], "outputs": classifier.card.outputs}
    return {
        side: [
            {
                "name": name,
                "shape": one["shape"].tolist(),
                "dtype": one["dtype"].__name__,
                "quantization": [float(one["quantization"][0]), int(one["quantization"][1])],
            }
            for name, one in zip(names[side], found, strict=True)
        ]
        for side, found in sides.items()
    }


def rule_text(rule: DecisionRule) -> str:
    """Return how scores become a sure or unsure answer, but for what `label_rules` says of single labels."""
    parts = ["scores as they are" if rule.temperature is None else f"temperature {rule.temperature:g}"]
    if rule.bias is not None:
        bias = ", ".join(f"{label} {value:+.2f}" for label, value in zip(rule.labels, rule.bias, strict=True))
        parts.append(f"bias {bias}")
    return "; ".join([*parts, f"says {_silence(rule.abstain_below)}"])


def label_rules(rule: DecisionRule) -> dict[str, str]:
    """Return label -> the rule that it has for itself: from which probability on it is answered, and below which confidence it is not."""
    found = {}
    for number, label in enumerate(rule.labels):
        own = []
        if rule.answer_from is not None and not np.isnan(rule.answer_from[number]):
            least = f"{rule.answer_from[number]:.4f}"
            own.append(f"answered from a probability of {least} on, whatever is more probable, and below it never")
        if rule.class_abstain_below is not None:
            own.append(_silence(rule.class_abstain_below[number]))
        if own:
            found[label] = "; ".join(own)
    return found


def _silence(least: float) -> str:
    return f"uncertain below {least:.3f}" if least else "uncertain never"


def about(classifier: Classifier, described: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Return what a model file says about itself, as lines for people."""
    card, rule, model = classifier.card, classifier.rule, classifier.path
    lines: list[str] = []
    say = lines.append
    content = card.content
    say(
        f"{model.name}: variant {card.variant}, {len(classifier.file.content) / 1e6:.2f} MB, {content['arithmetic']} arithmetic"
    )
    say(f"labels      {', '.join(card.labels)}")
    for side, found in described.items():
        for one in found:
            scale, zero = one["quantization"]
            grid = f", value = {scale:.6g} * (integer - {zero})" if scale else ""
            say(f"{side[:-1]:<11} {one['name']}: {one['dtype']} {one['shape']}{grid}")
    if rule.thresholds is not None:
        thresholds = ", ".join(f"{one} {value:.4g}" for one, value in zip(rule.labels, rule.thresholds, strict=True))
        say(f"task        multi-label, any number of labels is true; thresholds {thresholds}")
    spec = card.preprocess
    say(
        f"preprocess  {spec.color}, {spec.resize} resize to {spec.size[0]}x{spec.size[1]}, (x - {spec.mean:g}) / {spec.std:g}"
    )
    trained = content["trained_on"]
    learned = f"{counted(trained['images'], 'image')}, recipe {trained['recipe']},"
    if card.adopted:
        learned = "not known, because another maker trained it; split and tested here:"
    say(f"trained on  {learned} data {trained['data_sha256'][:12]}")
    images = content["calibration"]["images"]
    say(f"calibration {counted(images if isinstance(images, int) else len(images), 'image')}")
    localized = content.get("localized", {})
    accuracy = content["accuracy"]
    # A final model was trained on all images; others, each on a part, were tested on the rest.
    final = accuracy.get("side") == "out-of-fold"
    judged, tested = ("training", "out-of-fold images") if final else ("validation", "test images")
    if localized:
        tested = "local images, cross-fitted"
    for name in ("accuracy", "macro_f1"):
        figure = accuracy[name]
        say(
            f"{name:<11} {figure['value']:.4f} [{figure['low']:.4f}, {figure['high']:.4f}] on {accuracy['images']} "
            f"{tested}, {accuracy['runtime']}"
        )
    sources = content.get("sources")
    if sources and sources["elsewhere"]:
        say(f"elsewhere   {sources['elsewhere']}")
    if audited := content.get("audit"):
        say(f"audit       {audited['verdict']}")
    verdict = content["against_keras"]
    # That of a refitted last layer is about this layer alone.
    kind, origin = (
        ("local", "the refitted last layer in float") if "head" in localized else (judged, "the trained network")
    )
    passed = f"passed: {verdict['agreement']:.1%} of {verdict['images']} {kind} images keep the class of {origin}"
    # A card of an earlier version knows two outcomes.
    question = {name: verdict[name] for name in ("refused", "undecided") if verdict.get(name)}
    say(f"acceptance  {'; '.join(f'{name}: {reason}' for name, reason in question.items()) or passed}")
    if head := localized.get("head"):
        before = (
            f", and before on {counted(sum(one['images'] for one in head['earlier']), 'image')}"
            if head["earlier"]
            else ""
        )
        say(f"last layer  refitted on {counted(head['images'], 'image')}{before}")
    for note in localized.get("notes", ()):
        say(f"localized   {note}")
    confidence, ood = content.get("confidence"), content.get("gate")
    if confidence:
        where = f" of {counted(len(sources['validation']), 'source')}; not shown for others" if sources else ""
        risk, bound = confidence.get("risk", 0), confidence.get("risk_bound", 0)
        shown = f"; so few images do not exclude {bound:.1%}" if bound > risk else ""
        # A card of an earlier version does not tell how surely.
        sure = f" with probability {confidence['risk_sureness']:g}" if "risk_sureness" in confidence else ""
        chosen = f"chosen for {risk:.0%} wrong answers{sure} on {confidence['images']} {'out-of-fold' if final else 'validation'} images{where}{shown}"
        if localized:
            chosen = f"localized for {', '.join(localized['targets'])} on {localized['images']} images, from the file {localized['from_sha256'][:12]}"
        say(f"confidence  {rule_text(rule)}, {chosen}")
    for label, own in label_rules(rule).items():
        say(f"            {label}: {own}")
    for gate in (ood.get("gates") or [ood]) if ood else []:
        say(f"OOD gate    {gate['kind']}, threshold {gate['threshold']:g}")
    if not ood:
        say("OOD gate    no OOD gate in this file")
    say(f"golden      {counted(len(card.golden), 'vector')}; check them with `freezenet verify {model}`")
    say(content["notice"])
    return lines
