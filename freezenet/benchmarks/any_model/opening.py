"""Model files as a command names them, ours and those of other makers, each ready to answer about the classes of DATA."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from freezenet.benchmarks.origin import find_run
from freezenet.convert.foreign.asked import Asked, spelt_as
from freezenet.convert.foreign.classifier import ForeignClassifier, is_ours
from freezenet.convert.foreign.reading import read_foreign
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import DataError, FreezenetError, SettingError
from freezenet.edge_runtime.integrity.model_file import ModelFile
from freezenet.edge_runtime.names import counted
from freezenet.train.data.dataset import Dataset
from freezenet.train.data.label_sets import SEPARATOR
from freezenet.train.data.loading import load
from freezenet.train.run_folder import RunFolder
from freezenet.train.task import MultiClass, MultiLabel

logger = logging.getLogger(__name__)


def open_models(
    paths: Sequence[Path],
    data: Path,
    *,
    specs: Sequence[str] = (),
    labels: Sequence[str] = (),
    threads: int = 1,
) -> list[Classifier]:
    """Return each file ready to answer, and say how those without a card are read.

    Args:
        paths: Of .tflite files.
        data: DATA, whose spelling of the classes is taken where a model's differs in capitals or signs alone.
        specs: `--preprocess`: one for all files without a card, or one for each of them, in their order.
        labels: `--labels`, likewise.
        threads: CPU threads of one inference.

    Raises:
        ModelError: A file cannot be answered with.
        SettingError: What has to be known of it is not, or too much is said.
        DataError: It shares no class with DATA.
    """
    files = [ModelFile.read(path) for path in paths]
    foreign = [number for number, file in enumerate(files) if not is_ours(file)]
    said = {
        number: Asked.read(spec, names)
        for number, spec, names in zip(
            foreign,
            _for_each(specs, len(foreign), "--preprocess"),
            _for_each(labels, len(foreign), "--labels"),
            strict=True,
        )
    }
    if not foreign:
        return [Classifier(file, threads) for file in files]
    # What is said of a model says how the classes of DATA are to be read for it.
    known = {task: load(data, task, 1, say=False) for task in {one.task for one in said.values()}}
    return [
        _foreign(file, said[number], known[said[number].task], threads) if number in said else Classifier(file, threads)
        for number, file in enumerate(files)
    ]


def _for_each(values: Sequence[str], count: int, option: str) -> list[str | None]:
    if values and not count:
        raise SettingError(
            f"A model without a card is required by {option}. Got: files that freezenet wrote, which say it themselves; leave it out."
        )
    if len(values) not in (0, 1, count):
        raise SettingError(
            f"One {option} for all models without a card, or one for each, is required. Got: {len(values)} for {count}."
        )
    if not values:
        return [None] * count
    return [*values] * (count if len(values) == 1 else 1)


def _foreign(file: ModelFile, asked: Asked, dataset: Dataset, threads: int) -> ForeignClassifier:
    name, known = file.path.name, dataset.labels
    try:
        reading = read_foreign(file, asked, known_labels=known)
    except FreezenetError as error:
        # One command may name several files.
        raise type(error)(str(error)) if name in str(error) else type(error)(f"{name}: {error}") from None
    if not dataset.task.exclusive and reading.meaning.task == MultiClass.name:
        # "a;" alone, too, makes DATA one of label sets.
        several = next(
            (sample.label for sample in dataset.samples if SEPARATOR in sample.label), f"classes with {SEPARATOR!r}"
        )
        raise DataError(
            f"DATA with one class for each image is required by {name}, which answers with one. Got: {several:.80}; where its scores are "
            f"probabilities of labels that do not exclude one another, pass --preprocess task={MultiLabel.name}."
        )
    spelt = spelt_as(reading.labels, known)
    if spelt != reading.labels:
        changed = [f"{old} is {new}" for old, new in zip(reading.labels, spelt, strict=True) if old != new]
        said = (*reading.said, f"its labels are spelt as in DATA: {', '.join(changed)}")
        reading = replace(reading, labels=spelt, said=said)
    if not set(reading.labels) & set(known):
        raise DataError(
            f"A class that model and data share is required. Got: {name} with {', '.join(reading.labels[:6])}"
            f"{', ...' if len(reading.labels) > 6 else ''} and DATA with {', '.join(known)}; pass --labels, DATA's names in the order "
            "of the scores."
        )
    logger.info(f"{name} has no card; it is read so: {reading.facts}")
    for note in reading.said:
        logger.info(f"{name}: {note}")
    without = [label for label in reading.labels if label not in known]
    if without:
        logger.info(
            f"{name}: DATA has no image of {_listed(without)}; an image that is answered so is a wrong answer all the same"
        )
    lacking = [label for label in known if label not in reading.labels]
    if lacking:
        logger.warning(
            f"{name} has no class {_listed(lacking)}, of which DATA has images; it cannot be right about them"
        )
    return ForeignClassifier(file, reading, threads)


def folder_or_files(
    named: Sequence[Path], data: Path | None, *, only_for_files: bool
) -> tuple[Path | None, list[Path], Path | None]:
    """Return what `compare` was given: a MODELS folder or model files, and DATA.

    Args:
        named: Its arguments: a folder, with DATA behind it or without; or files.
        data: `--data`.
        only_for_files: Whether an option was given that is for files alone.

    Raises:
        SettingError: It is neither.
    """
    first, *others = named
    if not first.is_dir():
        if data is None:
            raise SettingError(
                f"DATA is required, to compare model files. Got: {', '.join(path.name for path in named)} alone; pass --data DATA."
            )
        return None, list(named), data
    if len(others) > (data is None):
        raise SettingError(
            f"One MODELS folder and one DATA, or model files, are required. Got: {', '.join(map(str, named))}"
            f"{f' and --data {data}' if data is not None else ''}."
        )
    if only_for_files:
        raise SettingError(
            "Model files are required by --all, --preprocess and --labels. Got: a MODELS folder, whose files say it themselves; name two "
            "files in it."
        )
    return first, [], others[0] if others else data


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def origins(classifiers: Sequence[Classifier], run: Path | None) -> list[RunFolder | None]:
    """Return the RUN folder that each model comes from, None where it is another maker's or none is found.

    Args:
        classifiers: The models.
        run: RUN as the command names it; the model that comes from it need not lie beside it.
    """
    found: list[RunFolder | None] = []
    for one in classifiers:
        if isinstance(one, ForeignClassifier):
            found.append(None)
            continue
        home = one.path.parent
        try:
            found.append(find_run(home, one.card, run))
        except DataError:
            # RUN may be that of another model of the command.
            if len(classifiers) == 1:
                raise
            found.append(find_run(home, one.card))
    return found


def chosen_sentence(images: int, whole: int, split: str, run: RunFolder | None) -> str:
    """Return the sentence that says which images of DATA are judged.

    Args:
        images: How many.
        whole: How many DATA has.
        split: "test" or "all".
        run: Whose test images they are, None where it is DATA itself that names them.
    """
    if split == "all":
        return f"All {counted(images, 'image')} of DATA are judged."
    owner = f"the run {run.folder}" if run is not None else "DATA"
    return f"The {counted(images, 'test image')} of {owner} are judged, of {whole} in DATA."
