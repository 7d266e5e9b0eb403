"""One image's answer as the JSON object that `freezenet predict --json` prints and `freezenet watch` writes."""

from __future__ import annotations

from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from freezenet.edge_runtime.classifier import Classifier, Prediction


def answer_line(
    name: str, prediction: Prediction, classifier: Classifier, overlay: str | PathLike[str] | None = None
) -> dict[str, Any]:
    """Return the answer for the image `name` as JSON types: what was answered, and by which model, card and runtime.

    overlay: where the picture with the class activation map was written; the key is absent where none was.
    """
    shown = {} if overlay is None else {"overlay": fspath(overlay)}
    return {"file": name, **prediction.to_dict(), **shown, **classifier.identity}
