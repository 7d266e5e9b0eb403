"""How pixels become the values of another maker's input, and whether an integer input can hold these."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from freezenet.convert.foreign.asked import Asked
from freezenet.convert.foreign.metadata import TensorFacts
from freezenet.convert.foreign.network import Tensor
from freezenet.edge_runtime.errors import SettingError
from freezenet.edge_runtime.images.other.preprocess import OtherPreprocess

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Largest share of the gray values that an integer input may cut off.
_BEYOND = 0.25


def preprocess_of(
    one: Tensor,
    about: TensorFacts,
    asked: Asked,
    size: tuple[int, int],
    channels: int,
    name: str,
    said: list[str],
) -> OtherPreprocess:
    """Return how a file becomes the input of a network.

    Args:
        one: The input.
        about: What the metadata say of it.
        asked: What the user says.
        size: Height and width in pixels.
        channels: 1 or 3.
        name: Of the file, for the sentences.
        said: To which a sentence is added about each thing that was assumed.

    Raises:
        SettingError: What is needed is not known, or does not fit the input.
    """
    color = asked.color or (about.color if channels == 3 else None) or ("gray" if channels == 1 else "rgb")
    resize = asked.resize or "bilinear"
    if asked.resize is None:
        said.append("how it was trained to resize is not in the file; bilinear, as TFLite's own tools do, is assumed")
    means, stds = asked.mean or about.mean, asked.std or about.std
    if (asked.mean is None) != (asked.std is None) and (about.mean is None or about.std is None):
        raise SettingError(
            f"Mean and std together are required, an input value is (value - mean) / std. Got: only one of them for {name}."
        )
    if not means or not stds:
        if one.dtype != "uint8":
            raise SettingError(
                f"How pixels become the {one.dtype} input of {name} is required. Got: no metadata that say so; pass --preprocess "
                "mean=127.5,std=127.5 for values from -1 to 1, mean=0,std=255 for 0 to 1, mean=0,std=1 for a network that takes 0 to 255."
            )
        said.append("its uint8 input is taken for the raw pixels")
        means, stds = _raw(one)
    elif one.dtype != "float32" and not _scale(one):
        raise SettingError(
            f"An integer input with a scale, or no normalization, is required. Got: {name} with {one} without a scale, and mean "
            f"{shown(means)}, std {shown(stds)}; convert it again with quantization parameters."
        )
    # Metadata may hold one number for each channel of which all are equal.
    means, stds = (values[:1] if len(set(values)) == 1 else values for values in (means, stds))
    found = OtherPreprocess(
        size=size, color=color, resize=resize, means=means, stds=stds, crop=asked.crop or "none", channels=channels
    )
    _check_range(one, found, name, said)
    if asked.mean is None:
        _say_raw(one, found, said)
    return found


def _scale(one: Tensor) -> float:
    return one.scales[0] if one.scales else 0.0


def _check_range(one: Tensor, spec: OtherPreprocess, name: str, said: list[str]) -> None:
    """Refuse a normalization of which much lies beyond an integer input, where all values would become its largest or smallest."""
    if one.dtype == "float32" or not _scale(one):
        return
    values = _integers(one, spec)
    limits = np.iinfo(one.dtype)
    # Two are rounding, in the file and here. A few more are usual: the images that it was calibrated with had no black or no white.
    beyond = (values < limits.min - 2) | (values > limits.max + 2)
    share, ends = float(beyond.mean()), f"{values.min():.0f} to {values.max():.0f}"
    if share > _BEYOND:
        raise SettingError(
            f"A normalization that fits the input's quantization is required. Got: mean {shown(spec.means)}, std {shown(spec.stds)} for "
            f"{name}, whose {one.dtype} input would have to hold {ends}; pass the mean and std of its float original."
        )
    if beyond.any():
        said.append(f"{share:.0%} of the gray values lie beyond its {one.dtype} input, {ends}, and become its ends")


def _say_raw(one: Tensor, spec: OtherPreprocess, said: list[str]) -> None:
    """Say where the metadata make something else of a uint8 input than the raw pixels, which other tools put there whatever the metadata say."""
    if one.dtype != "uint8" or not _scale(one):
        return
    values = np.clip(_integers(one, spec), 0, 255)
    # One is rounding, here and in the file.
    if np.abs(values - np.arange(256)[:, None]).max() > 1:
        (mean,), (std,) = _raw(one)
        said.append(
            f"its metadata make {values.min():.0f} to {values.max():.0f} of the pixels 0 to 255 in its uint8 input; tools that put the pixels there "
            f"as they are, as MediaPipe does, answer otherwise, and --preprocess mean={mean:g},std={std:g} answers as they do"
        )


def _integers(one: Tensor, spec: OtherPreprocess) -> NDArray[np.float64]:
    """Return what an integer input would hold for each gray value, (256, channels), neither rounded nor cut off."""
    values: NDArray[np.float64] = (np.arange(256)[:, None] - np.array(spec.means)) / np.array(spec.stds) / _scale(one)
    return values + one.zero_points[0]


def _raw(one: Tensor) -> tuple[tuple[float], tuple[float]]:
    """Return the mean and the std with which the integer of a uint8 input is the pixel: value = scale * (integer - zero_point)."""
    scale = _scale(one)
    return ((float(one.zero_points[0]),), (1 / scale,)) if scale else ((0.0,), (1.0,))


def shown(values: tuple[float, ...]) -> str:
    """Return one number or several as text."""
    return "/".join(f"{one:g}" for one in values)
