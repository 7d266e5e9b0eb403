"""The ways to write a model, and for whom; nothing heavy is imported here, so that the command can name them.

Profiles: edge  scores, a class activation map and the features that the OOD gate reads: for devices, phones among them
          app   scores only: for clients that can take one output only, such as MediaPipe's ImageClassifier; no OOD gate
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.names import chosen_names

if TYPE_CHECKING:
    from freezenet.edge_runtime.card import CardContent


class UnsupportedError(FreezenetError):
    """A network has a layer or operator that a variant cannot hold; the others can be written."""


@dataclass(frozen=True)
class Variant:
    """A way to write the model.

    Args:
        name: of the variant and of its files.
        summary: what it is, for people.
        arithmetic: "float" or "integer", of the operators inside.
        takes_pixels: whether it is one whose ends `--io` chooses.
    """

    name: str
    summary: str
    arithmetic: str
    takes_pixels: bool = False


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("float32", "float weights and arithmetic; float32 in, float32 out", "float"),
        Variant("float16", "weights stored as float16, arithmetic in float; float32 in, float32 out", "float"),
        Variant("dynamic", "int8 weights, activations quantized on the fly; float32 in, float32 out", "integer"),
        Variant("int8", "full integer inside, post-training; raw uint8 pixels in, float32 scores out", "integer", True),
        Variant(
            "int8-qat", "int8, its weights trained on with the rounding inside; uint8 in, float32 out", "integer", True
        ),
        Variant(
            "mixed",
            "int8, but for the fewest operators in float with which it is accepted; uint8 in, float32 out",
            "integer",
            True,
        ),
        Variant("int16x8", "int8 weights, int16 activations; float32 in, float32 out", "integer"),
    )
}
#: What is written unless others are asked for: the rest takes longer and is for those whom `int8` does not satisfy.
DEFAULT_VARIANTS = ("float32", "float16", "dynamic", "int8")
#: Ends of the files that have integers inside and take pixels (`freezenet.convert.ptq.ends`); the first unless others are asked for.
ENDS = ("pixels", "uint8", "int8", "float32")
#: Profile -> its outputs in file order; the scores come first in every profile.
PROFILES = {"edge": ("scores", "cam", "features"), "app": ("scores",)}


def types_of(ends: str) -> tuple[str, str]:
    """Return the types of the input and of the outputs that go with ends, e.g. "uint8" and "float32" for "pixels"."""
    return ("uint8", "float32") if ends == ENDS[0] else (ends, ends)


def types_in(card: CardContent) -> tuple[str, str]:
    """Return the same two of a finished file, by the content of its card."""
    return card["input"]["dtype"], card.get("output", {}).get("dtype", "float32")


def known_variants(text: str) -> tuple[str, ...]:
    """Read a comma-separated list of variants, or "all" of them."""
    return tuple(dict.fromkeys(chosen_names(text, VARIANTS, "Variants")))


def known_profiles(text: str) -> tuple[str, ...]:
    """Read a comma-separated list of profiles."""
    return tuple(dict.fromkeys(chosen_names(text, PROFILES, "Profiles", everything=None)))
