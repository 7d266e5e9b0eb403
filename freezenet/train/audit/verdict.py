"""What an audit says in plain sentences."""

from __future__ import annotations

from typing import Any

from freezenet.train.audit.markers import CELLS

#: View -> how a sentence ends that says how much of the score remains.
REMAINS = {
    "centre_out": "without the middle of the image (60 % of its area), where the lungs are",
    "border_out": "without its border",
    "thumbnail": "in a thumbnail of 8 x 8 pixels",
    "histogram": "in the histogram of gray values alone",
    "marks_out": "when bright letters and marks in the border are painted over",
    "lungs_out": "without the lungs",
    "lungs_only": "when everything but the lungs is black",
}
#: View that shows nothing of the disease -> what it is called.
FOREIGN = {"source": "the name of the source", "stored_size": "the stored size", "file_format": "the file format"}
#: A view that hides the disease and keeps this share of the score is a warning.
LARGE_SHARE = 0.5


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
    """Return the verdict in one or two sentences, which travels into report and card; it names no source, file or size."""
    names = {**FOREIGN, "marks": "marks in the border"}
    told = [names[flag] for flag in found["flags"]]
    hidden = _hidden(found["views"])
    share = hidden and found["views"][hidden]["remaining"]
    remains = (
        f"{as_part(share['value'])} of the score above chance remains {REMAINS[hidden]}" if hidden and share else ""
    )
    if told or (share and share["value"] >= LARGE_SHARE):
        gives = f"The class can be told from {_listed(told)}" if told else ""
        sentence = "; ".join(filter(None, [gives, remains]))
        return f"{sentence}. A network trained on this data may have learned that in place of the disease."
    return f"None of the shortcuts that were tried gives the class away{f'; {remains}' if remains else ''}. Others may."


def sentences(found: dict[str, Any]) -> list[str]:
    """Return all that an audit found, one sentence each."""
    views, said = found["views"], []
    whole, majority = views["whole"]["accuracy"], found["majority"]
    said.append(
        f"From the whole image a simple probe tells the class in {_percent(whole['value'])} of cases [{_percent(whole['low'])}, "
        f"{_percent(whole['high'])}]; whoever always names the most frequent class is right in {_percent(majority)}."
    )
    if views["whole"]["remaining"] is None:
        said.append(
            "That is no better than chance, so nothing can be said about what remains without parts of the image."
        )
    else:
        said.append(
            "Below, what lies between the two is called the score above chance; square brackets hold the range in which the true figure lies "
            "in 95 of 100 such data sets."
        )
    for name, text in REMAINS.items():
        share = views.get(name, {}).get("remaining")
        if share:
            of = f", of {views[name]['images']} images with masks" if name.startswith("lungs") else ""
            said.append(
                f"{as_parts(share)} of the score above chance remains {text}{of}: "
                f"the probe is still right in {_percent(views[name]['accuracy']['value'])} of cases."
            )
    for name, text in FOREIGN.items():
        if name in found["flags"]:
            said.append(
                f"{text[0].upper()}{text[1:]} alone tells the class in {_percent(views[name]['accuracy']['value'])} of cases, although it shows "
                "nothing of a disease."
            )
    said += [f"{text[0].upper()}{text[1:]}." for text in found["telling_sizes"] if "stored_size" in found["flags"]]
    if seen := found["size_seen"]:
        said.append(
            f"A network sees the stored size in the pixels, after resizing: a probe tells it right in {_percent(seen['value'])} of cases, where "
            f"the most frequent size gives {_percent(seen['majority'])}."
        )
    if found["marks"]["found"]:
        said.append(_marks(found["marks"]))
    return said + _outside(found["outside"], whole["value"], views["whole"]["recall"]) + found["notes"]


def _hidden(views: dict[str, Any]) -> str:
    """Return the view that hides the disease best: without the lungs where masks are, else without the middle."""
    return next((name for name in ("lungs_out", "centre_out") if views.get(name, {}).get("remaining")), "")


def _marks(marks: dict[str, Any]) -> str:
    row, column = marks["cell"]
    where = "in the border"
    if row >= 0:
        height = "top" if row < CELLS / 3 else "bottom" if row >= CELLS * 2 / 3 else "middle"
        width = "left" if column < CELLS / 3 else "right" if column >= CELLS * 2 / 3 else "centre"
        where = f"at the {height} {width}"
    most, least = (pick(marks["shares"], key=marks["shares"].get) for pick in (max, min))
    return (
        f"Bright letters or marks {where} go with the class: {_percent(marks['shares'][most])} of the images of {most} have one, "
        f"{_percent(marks['shares'][least])} of {least}. By chance alone that would be seen in about {max(1, round(1000 * marks['p']))} of "
        "1,000 such data sets."
    )


def _outside(outside: dict[str, Any] | None, inside: float, recalls: dict[str, Any]) -> list[str]:
    if outside is None:
        return []
    figure, (low, high) = outside["accuracy"], outside["likely"]
    said = [
        f"At a hospital whose images took no part, such a probe is expected to be right in about {_percent(figure['value'])} of cases, in place of "
        f"{_percent(inside)} inside: from {_percent(low)} to {_percent(high)} at four of five such hospitals, from {_percent(figure['low'])} to "
        f"{_percent(figure['high'])} at nineteen of twenty. Only images of that hospital say more."
    ]
    for label, at in outside["measured"].items():
        if at:
            found = _listed([f"{_percent(recall)} ({source})" for source, recall in at.items()])
            said.append(
                f"Trained without a source, such a probe finds {label} there in {found} of cases; inside, in {_percent(recalls[label]['value'])}."
            )
    if alone := outside["from_one_source"]:
        verb = "comes from one source only" if len(alone) == 1 else "come from one source each"
        said.append(
            f"{_listed(alone)} {verb}: answers elsewhere are not shown to hold, and nothing in this data can test what is expected of them."
        )
    return said


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def as_part(share: float) -> str:
    """Return a share of the score above chance: one below chance has lost all of it, and more than all is chance."""
    return _percent(min(1.0, max(0.0, share)))


def as_parts(share: dict[str, float]) -> str:
    """Return `as_part` of a share and of the ends of its interval, e.g. "12 % [3 %, 20 %]"."""
    value, low, high = (as_part(share[key]) for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
