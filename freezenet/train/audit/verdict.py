"""What an audit says in plain sentences: in how many of 100 cases the probe is right, beside what the most frequent class alone gives."""

from __future__ import annotations

from typing import Any

from freezenet.edge_runtime.names import counted, listed
from freezenet.train.audit.markers import CELLS
from freezenet.train.metrics.figure import Figure

#: View of the image -> what is done to the image.
GIVEN = {
    "lungs_out": "with the box around the lungs blacked out",
    "centre_out": "with the middle of the image blacked out",
    "lungs_only": "with everything but the lungs blacked out",
    "border_out": "with the border of the image blacked out",
    "thumbnail": "from a thumbnail of 8 x 8 pixels",
    "histogram": "from the histogram of gray values alone",
}
#: View that hides the disease, the one that hides it best first -> what the class is told without.
HIDDEN = {"lungs_out": "the lungs", "centre_out": "most of the lungs"}
#: View that shows nothing of the disease -> what it is called.
FOREIGN = {"source": "the name of the source", "stored_size": "the stored size", "file_format": "the file format"}
#: A view that hides the disease and keeps this share of the score is a warning.
LARGE_SHARE = 0.5
#: Left-out sources of a class that are named, those with the lowest recall first.
_SHOWN = 3


def flags_of(found: dict[str, Any]) -> list[str]:
    """Return the names of what gives the class away although it shows nothing of a disease. found: of `audit`."""
    flags = [name for name in FOREIGN if found["views"].get(name, {}).get("above_chance")]
    return [*flags, *(["marks"] if found["marks"]["found"] else [])]


def audit_sentence(found: dict[str, Any]) -> str:
    """Return the verdict, or why the data was not audited; "" where nobody asked. found: of `audit`, {} for none."""
    if "not_audited" in found:
        return f"The data could not be audited: {found['not_audited']}"
    return found.get("headline", "")


def headline(found: dict[str, Any]) -> str:
    """Return the verdict in a few sentences, which travel into report and card; they name no source, file or size."""
    names = {**FOREIGN, "marks": "marks in the border"}
    told = [names[flag] for flag in found["flags"]]
    hidden, without, is_told_without = _hidden(found["views"]), "", False
    if hidden:
        one = found["views"][hidden]
        is_told_without = one["above_chance"] and one["remaining"]["value"] >= LARGE_SHARE
        whole, majority = _compared_with(one, found)
        without = (
            f"{'a' if is_told_without else 'A'} probe, which is a simple stand-in and not the network, is right in "
            f"{_percent(one['accuracy']['value'])} of cases {GIVEN[hidden]} and in {_percent(whole['value'])} with the whole image; the most "
            f"frequent class alone gives {_percent(majority)}."
        )
    if is_told_without:
        without = f"The class can be told without {HIDDEN[hidden]}: {without}"
    if not told and not is_told_without:
        said = ["None of the shortcuts that were tried gives the class away.", without, "Others may."]
    else:
        goes_with = f"The class goes with {listed(told)}." if told else ""
        said = [without, goes_with, "A network trained on this data may have learned that in place of the disease."]
    return " ".join(filter(None, said))


def sentences(found: dict[str, Any]) -> list[str]:
    """Return what an audit found, the most important first and each paragraph a string: what a report shows."""
    said = [
        _whole(found),
        _without_lungs(found),
        _foreign(found),
        _stored_size(found) if "stored_size" in found["flags"] else "",
        _marks(found) if found["marks"]["found"] else "",
    ]
    if outside := found["outside"]:
        said += [_left_out(outside, found["views"]["whole"]["recall"]), _elsewhere(outside)]
    return [*filter(None, said), *found["notes"]]


def details(found: dict[str, Any]) -> list[str]:
    """Return what `sentences` leaves out, for readers who want to know all that was measured."""
    views = found["views"]
    said = [
        "Square brackets hold the range in which the true figure lies in 95 of 100 such data sets.",
        "Thumbnail, histogram, stored size, file format, name of the source and marks are given to the logistic regression alone; the "
        "network in front of it reads whole or partly blackened images.",
    ]
    if views["whole"]["remaining"] is not None:
        shown = [name for name in GIVEN if name in views and name != _hidden(views)]
        said += [
            f"{_capital(GIVEN[name])}, the probe is right in {_figure(views[name]['accuracy'])}{_of_masked(views[name], found)}."
            for name in shown
        ]
    if found["size_seen"] and "stored_size" not in found["flags"]:
        said.append(_size_seen(found["size_seen"]))
    if found["outside"]:
        said.append(
            "The range of the guess is made to hold at 19 of 20 such hospitals; public sources behind it that this data holds too count twice."
        )
    if found["marks"]["found"]:
        chance = max(1, round(1000 * found["marks"]["p"]))
        said.append(
            f"By chance alone, marks that go with the class as clearly would be seen in about {chance} of 1,000 such data sets."
        )
    return said


def _hidden(views: dict[str, Any]) -> str:
    """Return the view that hides the disease best: without the lungs where masks are, else without the middle."""
    return next((name for name in HIDDEN if views.get(name, {}).get("remaining")), "")


def _compared_with(view: dict[str, Any], found: dict[str, Any]) -> tuple[dict[str, float], float]:
    """Return what the whole image and what the most frequent class gives on the images of a view; lungs are seen where masks are."""
    return view.get("whole") or found["views"]["whole"]["accuracy"], view.get("majority", found["majority"])


def _whole(found: dict[str, Any]) -> str:
    reader = (
        "a network with random weights"
        if found["weights"] == "none"
        else "a network that saw only everyday photographs"
    )
    chance = "" if found["views"]["whole"]["remaining"] else (
        " That is no better than chance, so nothing can be said about what remains without parts of the image."
    )  # fmt: skip
    return (
        f"The probe is a simple stand-in that learns in seconds: {reader} reads the image, and a logistic regression, a line drawn through what "
        "was read, names the class. It is not the network that is trained on this data, and none of the figures here is that network's. From "
        f"the whole image the probe is right in {_figure(found['views']['whole']['accuracy'])} of cases; the most frequent class alone gives "
        f"{_percent(found['majority'])}.{chance}"
    )


def _without_lungs(found: dict[str, Any]) -> str:
    if not (hidden := _hidden(found["views"])):
        return ""
    one = found["views"][hidden]
    said = f"{_capital(GIVEN[hidden])}, the probe is right in {_figure(one['accuracy'])}{_of_masked(one, found)}."
    if hidden == "centre_out":
        said += " The middle is 60 % of the area and holds most of the lungs; apices and costophrenic angles may remain in the rest."
    return said


def _of_masked(view: dict[str, Any], found: dict[str, Any]) -> str:
    """Return of which images a view of the lungs is, and what the whole image gives there."""
    if "whole" not in view:
        return ""
    whole, majority = _compared_with(view, found)
    return (
        f" on the {view['images']} images with masks, where the whole image gives {_figure(whole)} and the most frequent class alone "
        f"{_percent(majority)}"
    )


def _foreign(found: dict[str, Any]) -> str:
    told = [
        f"{_figure(found['views'][name]['accuracy'])} of cases from {FOREIGN[name]}"
        for name in found["flags"]
        if name in FOREIGN and name != "stored_size"
    ]
    return f"Without any image, the class can be told in {listed(told)}." if told else ""


def _stored_size(found: dict[str, Any]) -> str:
    examples = f": {listed(found['telling_sizes'])}" if found["telling_sizes"] else ""
    seen = f" {_size_seen(found['size_seen'])}" if found["size_seen"] else ""
    accuracy = found["views"]["stored_size"]["accuracy"]
    return f"From the width and height at which the files are stored the class can be told in {_figure(accuracy)} of cases, without any image{examples}.{seen}"


def _size_seen(seen: dict[str, float]) -> str:
    return (
        f"From the pixels of the resized images the probe names the stored size right in {_percent(seen['value'])} of cases; the most frequent "
        f"size alone gives {_percent(seen['majority'])}."
    )


def _marks(found: dict[str, Any]) -> str:
    marks, views = found["marks"], found["views"]
    row, column = marks["cell"]
    where = "in the border"
    if row >= 0:
        height = "top" if row < CELLS / 3 else "bottom" if row >= CELLS * 2 / 3 else "middle"
        width = "left" if column < CELLS / 3 else "right" if column >= CELLS * 2 / 3 else "centre"
        where = f"at the {height} {width}"
    most, least = (pick(marks["shares"], key=marks["shares"].get) for pick in (max, min))
    said = (
        f"Bright letters or marks {where} go with the class: {_percent(marks['shares'][most])} of the images of {most} have one, "
        f"{_percent(marks['shares'][least])} of {least}."
    )
    alone, painted = views["marks"], views["marks_out"]
    helps, but = ("help", "but") if alone["above_chance"] else ("help little", "and")
    said += f" Marks in the border {helps} alone ({_figure(alone['accuracy'])})"
    if painted["remaining"] is None:
        return f"{said}."
    needed = f"{but} are not needed: no loss" if painted["remaining"]["high"] >= 1 else "and are used: a loss"
    return (
        f"{said} {needed} is seen when all of them are painted over ({_figure(painted['accuracy'])}; with them "
        f"{_percent(views['whole']['accuracy']['value'])})."
    )


def _left_out(outside: dict[str, Any], recalls: dict[str, Any]) -> str:
    said = []
    for label, at in outside["left_out"].items():
        if not at:
            continue
        first, *others = sorted(at.items(), key=lambda one: one[1]["value"])
        shown = [f"A probe trained without the images of {first[0]} named {_right_of(first[1], f' {label} images')}"]
        shown += [f"without those of {name}, {_right_of(one)}" for name, one in others[: _SHOWN - 1]]
        if more := others[_SHOWN - 1 :]:
            shown.append(f"at {counted(len(more), 'more source')}, a larger part")
        said.append(
            f"{'; '.join(shown)}. Trained with images of all sources, it named {_figure(recalls[label])} right."
        )
    if alone := outside["from_one_source"]:
        verb, it_is = ("comes", "it is") if len(alone) == 1 else ("come", "they are")
        each = "only" if len(alone) == 1 else "each"
        said.append(
            f"{listed(alone)} {verb} from one source {each}: how well {it_is} told at another cannot be tested with this data."
        )
    return " ".join(said)


def _right_of(one: dict[str, Any], what: str = "") -> str:
    return f"{round(one['value'] * one['images'])} of its {one['images']}{what} right, {_figure(one)}"


def _elsewhere(outside: dict[str, Any]) -> str:
    figure = outside["accuracy"]
    left_out = {source for at in outside["left_out"].values() for source in at}
    here = f"at {counted(len(left_out), 'source')} of this data, each left out in turn, and " if left_out else ""
    return (
        "A guess for the probe, not for a trained network: at a hospital whose images took no part, with the classes as frequent as here, it would "
        f"be right in {_percent(figure['low'])} to {_percent(figure['high'])} of cases, {_percent(figure['value'])} being the best "
        f"guess. It is made from what was lost {here}at {outside['known']['sources']} public sources that were measured when freezenet was made. "
        "Only images of that hospital say more."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _figure(figure: dict[str, float]) -> str:
    """Return e.g. "84 % [81, 87]"."""
    return f"{Figure(*(figure[key] for key in ('value', 'low', 'high'))).times(100):.0f %}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
