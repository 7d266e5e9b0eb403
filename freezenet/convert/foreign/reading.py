"""How a model of another maker is read: what it expects of an image, and what its scores mean.

What the user says comes first, then the file's metadata, then its tensors. What is left open by all of them and changes answers is asked
for; what is usual is assumed and said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from freezenet.convert.foreign.asked import Asked, checked_labels
from freezenet.convert.foreign.meaning import Meaning
from freezenet.convert.foreign.metadata import TensorFacts
from freezenet.convert.foreign.network import Network, Tensor
from freezenet.convert.foreign.normalization import preprocess_of, shown
from freezenet.edge_runtime.errors import ModelError, SettingError
from freezenet.edge_runtime.images.other.preprocess import OtherPreprocess
from freezenet.edge_runtime.integrity.model_file import ModelFile
from freezenet.edge_runtime.names import counted
from freezenet.train.task import MultiClass

_INTEGERS = ("uint8", "int8", "int16", "uint16")


@dataclass(frozen=True)
class Reading:
    """Everything that has to be known of a model to let it answer.

    Args:
        preprocess: From an image file to the values of the input.
        labels: Names of the classes. A single score is that of the second of two.
        input: The input tensor.
        channels_first: Whether the colours are the first side of the input behind the batch.
        output: Number of the output with the scores.
        is_single: Whether there is one score for two classes.
        meaning: What the scores are.
        said: A sentence about each thing that was assumed, or that is in the file and not used.
        facts: Where each part comes from, for people.
    """

    preprocess: OtherPreprocess
    labels: tuple[str, ...]
    input: Tensor
    channels_first: bool
    output: int
    is_single: bool
    meaning: Meaning
    said: tuple[str, ...] = ()
    facts: str = field(default="", compare=False)


def read_foreign(file: ModelFile, asked: Asked, *, known_labels: Sequence[str] = ()) -> Reading:
    """Say how a model is read.

    Args:
        file: The model.
        asked: What the user says of it.
        known_labels: Classes of the data, for the sentence that asks for labels.

    Raises:
        ModelError: It is no classifier of one image, or cannot be run here.
        SettingError: What is needed is not known, or what was said contradicts the file.
    """
    network, name = Network.read(file), file.path.name
    metadata = network.metadata
    one = _only_input(network, name)
    about_input = metadata.inputs[0] if metadata and metadata.inputs else TensorFacts()
    said = list(network.notes)
    size, channels, channels_first = _sides(one, asked, name)
    preprocess = preprocess_of(one, about_input, asked, size, channels, name, said)
    number = _scores_output(network, asked, name)
    output = network.outputs[number]
    about_output = (
        metadata.outputs[number] if metadata and len(metadata.outputs) == len(network.outputs) else TensorFacts()
    )
    count = _count(output, name)
    meaning = Meaning.of(network.ends[number], asked, count, name, said)
    is_single = count == 1 and meaning.task == MultiClass.name
    wanted = 2 if is_single else count
    labels, from_where = _labels(file, about_output, asked, wanted, is_single, known_labels, said)
    facts = (
        f"{' x '.join(map(str, preprocess.size))} {preprocess.color}, resize {preprocess.resize}, crop {preprocess.crop}, mean "
        f"{shown(preprocess.means)}, std {shown(preprocess.stds)}, {one.dtype} input, {output.dtype} {meaning.end} output, {meaning.task}, labels from {from_where}"
    )
    return Reading(preprocess, labels, one, channels_first, number, is_single, meaning, tuple(said), facts)


def _only_input(network: Network, name: str) -> Tensor:
    if len(network.inputs) != 1:
        raise ModelError(
            f"A model with one image as its only input is required. Got: {name} with {len(network.inputs)} inputs: "
            f"{', '.join(map(str, network.inputs[:4]))}."
        )
    (one,) = network.inputs
    if one.dtype not in ("float32", "uint8", "int8"):
        raise ModelError(f"A float32, uint8 or int8 input is required. Got: {name} with {one}.")
    if len(one.scales) > 1:
        raise ModelError(
            f"An input with one scale for all of its values is required. Got: {name} with {len(one.scales)}, one for each channel."
        )
    return one


def _sides(one: Tensor, asked: Asked, name: str) -> tuple[tuple[int, int], int, bool]:
    """Return height and width, channels, and whether these come first."""
    if len(one.shape) != 4:
        raise ModelError(
            f"An image input of four sides, 1 x height x width x channels, is required. Got: {name} with {one}; a sequence or a list "
            "of features is no image."
        )
    if one.shape[0] not in (1, -1):
        raise ModelError(
            f"An input of one image is required. Got: {name} with {one}, a batch of {one.shape[0]}; convert it again with a batch of 1."
        )
    last, first = (one.shape[place] in (1, 3) for place in (3, 1))
    if asked.layout is None and last == first:
        raise SettingError(
            f"An input with 1 or 3 channels, in the first or in the last place, is required. Got: {name} with {one}"
            + ("; pass --preprocess layout=NHWC or layout=NCHW." if last else ", which has neither.")
        )
    channels_first = asked.layout == "NCHW" if asked.layout is not None else first
    channels = one.shape[1 if channels_first else 3]
    sides = one.shape[2:] if channels_first else one.shape[1:3]
    if channels not in (1, 3):
        raise SettingError(
            f"An input with 1 or 3 channels is required. Got: {name} with {one} read as {asked.layout}; pass the other layout."
        )
    size = tuple(sides)
    if min(size) < 1:
        if asked.size is None:
            raise SettingError(
                f"The size of the input is required. Got: {name} with {one}, which leaves it open; pass --preprocess size=224x224."
            )
        fits = all(open_ in (-1, given) for open_, given in zip(size, asked.size, strict=True))
    else:
        fits = asked.size in (None, size)
    if not fits:
        raise SettingError(
            f"The size that the network has is required. Got: size={asked.size[0]}x{asked.size[1]} for {name} with {one}; leave it out."  # type: ignore[index]
        )
    return asked.size or (size[0], size[1]), channels, channels_first


def _scores_output(network: Network, asked: Asked, name: str) -> int:
    outputs = network.outputs
    if asked.output is not None:
        by_name = {one.name: number for number, one in enumerate(outputs)}
        number = by_name.get(asked.output, int(asked.output) if asked.output.isdecimal() else -1)
        if not 0 <= number < len(outputs):
            raise SettingError(
                f"The name of an output, or a number from 0 to {len(outputs) - 1}, is required. Got: output={asked.output:.80} for "
                f"{name} with {', '.join(map(str, outputs[:6]))}."
            )
        return number
    if len(outputs) != 1:
        raise SettingError(
            f"One output with scores is required. Got: {name} with {len(outputs)}: {', '.join(map(str, outputs[:6]))}; pass --preprocess "
            "output=NAME if one of them holds one score for each class. Boxes and masks of a detector are not read."
        )
    return 0


def _count(output: Tensor, name: str) -> int:
    """Return the number of scores."""
    large = [side for side in output.shape if side != 1]
    # The first side may be open: it is the batch.
    if large and large[0] == -1 and output.shape[0] == -1:
        large = large[1:]
    if len(large) > 1 or (large and large[0] < 1):
        raise ModelError(
            f"An output with one score for each class, as 1 x classes, is required. Got: {name} with {output}; maps, boxes and "
            "sequences are not read."
        )
    if output.dtype != "float32" and output.dtype not in _INTEGERS:
        raise ModelError(f"A float32 output, or one of {', '.join(_INTEGERS)}, is required. Got: {name} with {output}.")
    if output.dtype != "float32" and (len(output.scales) != 1 or not output.scales[0] > 0):
        raise ModelError(
            f"An integer output with one scale above 0, which says what its numbers mean, is required. Got: {name} with {output} and "
            f"{'the scale ' + format(output.scales[0], 'g') if len(output.scales) == 1 else f'{len(output.scales)} scales'}."
        )
    return large[0] if large else 1


def _labels(
    file: ModelFile,
    about: TensorFacts,
    asked: Asked,
    wanted: int,
    is_single: bool,
    known: Sequence[str],
    said: list[str],
) -> tuple[tuple[str, ...], str]:
    """Return the names of the classes, and where they come from."""
    name = file.path.name
    if asked.labels is not None:
        labels, where = asked.labels, "the command"
    else:
        labels, where = _stored_labels(file, about, said), "its metadata"
    if not labels:
        # A suggestion, and no assumption: a wrong order would give wrong figures without a word.
        hint = (
            f"; in alphabetical order, Keras's own, that is --labels {','.join(known)}" if len(known) == wanted else ""
        )
        raise SettingError(
            f"The names of the {wanted} classes of {name}, in the order of its scores, are required. Got: no label file in it; pass "
            f"--labels A,B,... or --labels FILE{hint}."
        )
    if len(labels) != wanted:
        single = " (a single score is that of the second of two classes)" if is_single else ""
        raise SettingError(
            f"{counted(wanted, 'label')} {'is' if wanted == 1 else 'are'} required, one for each score of {name}{single}. Got: {len(labels)} from {where}: "
            f"{', '.join(labels[:6])}; pass --labels with {wanted}."
        )
    return labels, where


def _stored_labels(file: ModelFile, about: TensorFacts, said: list[str]) -> tuple[str, ...]:
    for name in about.label_files:
        try:
            lines = file.associated(name).decode("utf-8-sig", "replace").splitlines()
        except KeyError:
            continue
        while lines and not lines[-1].strip():
            lines.pop()
        names = _told_apart([line.strip() for line in lines], said)
        try:
            return checked_labels(names, f"the file {Path(name).name} in {file.path.name}")
        except SettingError as error:
            raise ModelError(f"{error} Pass --labels.") from None
    return ()


def _told_apart(names: list[str], said: list[str]) -> list[str]:
    """Return names that stand once: of those that stand twice, as crane and maillot do in ImageNet's list, with the number of the score."""
    twice = sorted(name for name, count in Counter(names).items() if name and count > 1)
    if not twice:
        return names
    told = set(twice)
    found = [f"{name} ({number})" if name in told else name for number, name in enumerate(names)]
    example = found[names.index(twice[0])]
    said.append(
        f"its label file names {', '.join(twice[:4])}{', ...' if len(twice) > 4 else ''} more than once; each is told apart by the number of its "
        f"score, as {example}"
    )
    return found
