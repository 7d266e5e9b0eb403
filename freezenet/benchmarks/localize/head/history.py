"""The refits of its last layer that a model went through, as its card tells of them."""

from __future__ import annotations

from typing import Any

from freezenet.edge_runtime.card import ModelCard
from freezenet.edge_runtime.names import counted

#: What is kept of each refit.
_KEPT = ("images", "data_sha256", "from_sha256")


def refits(card: ModelCard) -> list[dict[str, Any]]:
    """Return of each refit, the latest last, how many images fitted the layer, the digest over them and the SHA-256 of the file it was made from."""
    head = card.content.get("localized", {}).get("head")
    return [] if head is None else [*head["earlier"], {key: head[key] for key in _KEPT}]


def refit_images(card: ModelCard) -> int:
    """Return how many images fitted the last layer, in all refits."""
    return sum(one["images"] for one in refits(card))


def refitted_sentence(card: ModelCard) -> str:
    """Return what must be said beside figures of a refitted model on images of which it is not known whether they fitted it, "" of others."""
    if not refits(card):
        return ""
    on = counted(refit_images(card), "local image")
    return f"The last layer was refitted on {on}; of those among these images the figures are too good."
