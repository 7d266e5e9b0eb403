"""The shape of the tensor that a model is measured with; a file may leave sides of it open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freezenet.edge_runtime.errors import ModelError, SettingError

#: In a shape's signature: of any length.
_OPEN = -1


def open_shape(one: Mapping[str, Any]) -> bool:
    """Return whether the description of an input leaves a side open."""
    return _OPEN in _signature(one)


def shape_to_measure(one: Mapping[str, Any], model: str, input_size: tuple[int, int] | None) -> tuple[int, ...]:
    """Return the shape to measure with: that of the file, its open sides filled with the given size.

    An open batch is 1. What the interpreter shows for open sides is 1 x 1, which would measure nothing.

    Args:
        one: the description of an input: "shape" and "shape_signature".
        model: name of the file, for the error.
        input_size: height and width of the image.

    Raises:
        ModelError: sides are open and no size is given, or other sides than batch, height and width are.
        SettingError: another size than the file's is given.
    """
    shape = _signature(one)
    filled = ((1 if shape[0] == _OPEN else shape[0]), *shape[1:]) if shape else shape
    image = len(filled) == 4 and filled[3] != _OPEN
    if _OPEN in filled and (input_size is None or not image):
        sides = " x ".join("?" if side == _OPEN else str(side) for side in shape)
        asked = (
            "pass --input-size HxW, such as 224x224" if image else "freezenet measures images: n x height x width x 3"
        )
        raise ModelError(
            f"The size of the input is required for {model}. Got: a file that leaves it open ({sides}); {asked}."
        )
    if input_size is None:
        return filled
    if not image or any(side not in (_OPEN, asked) for side, asked in zip(filled[1:3], input_size, strict=True)):
        raise SettingError(
            f"The size that {model} has is required. Got: --input-size {input_size[0]}x{input_size[1]} for an input of "
            f"{' x '.join(map(str, filled))}; leave the option out."
        )
    return (filled[0], *input_size, filled[3])


def _signature(one: Mapping[str, Any]) -> tuple[int, ...]:
    signature = one.get("shape_signature")
    return tuple(map(int, one["shape"] if signature is None or not len(signature) else signature))
