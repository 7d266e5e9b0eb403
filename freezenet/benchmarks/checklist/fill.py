"""Fill a reporting checklist: facts where the machine knows, questions where the author does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freezenet.benchmarks.checklist.data_facts import DATA_SUBJECTS
from freezenet.benchmarks.checklist.evidence import Evidence, Fact, tomllib
from freezenet.benchmarks.checklist.model_facts import MODEL_SUBJECTS
from freezenet.benchmarks.checklist.result_facts import RESULT_SUBJECTS

_STANDARDS = Path(__file__).resolve().parent / "standards"
#: Subject that items ask about -> the function that reads its facts.
SUBJECTS = {**DATA_SUBJECTS, **MODEL_SUBJECTS, **RESULT_SUBJECTS}
#: Those on how a network came about and what it learned from: of another maker's the run holds only defaults.
OF_THE_TRAINING = ("architecture", "initialization", "training", "imbalance", "selection", "protocol", "internal")
_NOT_KNOWN = (
    "freezenet did not train this network, and the run does not know how its maker did: what does the maker say?"
)


@dataclass(frozen=True)
class Item:
    """An item with what is known of it.

    Args:
        number: in the standard.
        section: of the standard.
        text: what it asks for, in our words.
        facts: what the machine knows.
        filled: whether the facts answer the item; facts alone may answer a part of it.
        question: what is left to the author, "" where nothing is.
    """

    number: str
    section: str
    text: str
    facts: tuple[Fact, ...]
    filled: bool
    question: str


def filled_checklist(folder: Path, standard: str) -> dict[str, Any]:
    """Return a checklist for a RUN folder or a pipeline's folder (JSON types).

    Args:
        folder: what is reported on.
        standard: one of `freezenet.benchmarks.checklist.STANDARDS`.

    Returns:
        "standard", "source", "items" (see `Item`), "filled": how many, and "of": all.

    Raises:
        DataError: the folder holds no finished run.
    """
    found = Evidence.of(folder)
    described = tomllib.loads((_STANDARDS / f"{standard}.toml").read_text(encoding="utf-8"))
    items = [_item(one, found) for one in described["items"]]
    return {
        "standard": described["title"],
        "source": described["source"],
        "filled": sum(one.filled for one in items),
        "of": len(items),
        "items": [{**vars(one), "facts": [fact.to_dict() for fact in one.facts]} for one in items],
    }


def _item(one: dict[str, Any], found: Evidence) -> Item:
    unknown = [name for name in one["facts"] if found.adopted and name in OF_THE_TRAINING]
    by_subject = [() if name in unknown else SUBJECTS[name](found) for name in one["facts"]]
    facts = tuple(fact for facts in by_subject for fact in facts)
    # Every subject of an item must be known for it to count.
    filled = bool(by_subject) and all(by_subject) and not one.get("partly", False)
    question = one.get("question", "") or ("" if filled or unknown else "What is to be said here?")
    if unknown:
        question = f"{_NOT_KNOWN} {question}".strip()
    return Item(one["number"], one["section"], one["text"], facts, filled, question)


def as_markdown(checklist: dict[str, Any], links: str = "") -> str:
    """Return the checklist as a page.

    Args:
        checklist: of `filled_checklist`.
        links: prefix of the links to files, where the page does not lie in the folder that was reported on.
    """
    lines = [
        f"# {checklist['standard']}",
        "",
        f"{checklist['source']}. Items are named in short, not in the standard's own words.",
        "",
        f"{checklist['filled']} of {checklist['of']} items are filled from the files of the run. What is filled is a figure or a word that "
        "stands in the file behind it; whether it is enough is the author's to judge. Questions are the author's to answer.",
    ]
    section = None
    for one in checklist["items"]:
        if one["section"] != section:
            section = one["section"]
            lines += ["", f"## {section}"]
        state = "filled" if one["filled"] else "in part" if one["facts"] else "open"
        lines += ["", f"### {one['number']}. {one['text']} ({state})", ""]
        for fact in one["facts"]:
            value = fact["value"].replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
            lines.append(f"- {fact['what']}: {value} ([{fact['file']}]({links}{fact['file']}): {fact['where']})")
        if one["question"]:
            lines.append(f"- [ ] {one['question']}")
    return "\n".join(lines) + "\n"
