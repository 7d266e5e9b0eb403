"""Survive a kill: after each epoch everything that training needs to go on stands in one file."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from freezenet.train.files import write_atomically

logger = logging.getLogger(__name__)

#: What each kind of callback remembers from epoch to epoch: numbers, None, or lists of arrays.
MEMORIES: dict[type[keras.callbacks.Callback], tuple[str, ...]] = {
    keras.callbacks.EarlyStopping: ("best", "best_epoch", "wait", "best_weights"),
    # The learning rate itself is a variable of the optimizer.
    keras.callbacks.ReduceLROnPlateau: ("best", "wait", "cooldown_counter"),
}


class Checkpoint(keras.callbacks.Callback):
    """Write the state after each epoch and restore it when training starts again.

    The state is the model's and the optimizer's variables, what the other callbacks remember (`MEMORIES`), and the history.
    Keras' BackupAndRestore keeps the first two only, so a resumed run would stop in another epoch and forget its best weights.

    path: of the file. callbacks: all others of the training; place this one behind them. first_epoch: number of the
    training's first epoch.
    """

    def __init__(self, path: Path, callbacks: Sequence[keras.callbacks.Callback], first_epoch: int = 0) -> None:
        """Read the file's account of what has been done, if there is one."""
        super().__init__()
        self._path, self._callbacks, self._first_epoch = path, list(callbacks), first_epoch
        self._state: dict[str, np.ndarray] | None = None
        #: One dictionary of figures per finished epoch.
        self.history: list[dict[str, float]] = []
        self.finished = False
        if path.is_file():
            with np.load(path) as file:
                self._state = {name: file[name] for name in file.files}
            account = json.loads(str(self._state["account"]))
            self.history, self.finished = account["history"], account["finished"]

    @property
    def next_epoch(self) -> int:
        """The epoch to start with."""
        return self._first_epoch + len(self.history)

    def on_train_begin(self, logs=None):
        """Restore the variables and the memories."""
        if self._state is None:
            return
        logger.info(f"going on after epoch {self.next_epoch}, from {self._path}")
        # Keras makes Adam's moments in the first step only; unmade ones would not be restored but begin at zero.
        self.model.optimizer.build(self.model.trainable_variables)
        for callback in self._callbacks:
            if isinstance(callback, keras.callbacks.SwapEMAWeights):
                # The state was written with the averages in the model; this lets the callback know before they get there.
                callback.on_test_begin()
        for name, variable in self._variables():
            variable.assign(self._state[name])
        account = json.loads(str(self._state["account"]))
        for name, callback, key in self._memories():
            value = account["memories"][name]
            if isinstance(value, list):
                value = [self._state[array] for array in value]
            setattr(callback, key, value)

    def on_epoch_end(self, epoch, logs=None):
        """Write the state under a temporary name and rename it."""
        self.history.append({"epoch": epoch, **{name: float(value) for name, value in (logs or {}).items()}})
        self.finished = self.model.stop_training or epoch + 1 >= self.params["epochs"]
        state = {name: keras.ops.convert_to_numpy(variable) for name, variable in self._variables()}
        memories: dict[str, Any] = {}
        for name, callback, key in self._memories():
            value = getattr(callback, key)
            if isinstance(value, list):
                arrays = {f"{name}.{index}": np.asarray(one) for index, one in enumerate(value)}
                state.update(arrays)
                memories[name] = list(arrays)
            else:
                memories[name] = _plain(value)
        account = {"history": self.history, "finished": self.finished, "memories": memories}
        write_atomically(self._path, partial(np.savez, account=np.array(json.dumps(account)), **state))

    def _variables(self) -> Iterator[tuple[str, Any]]:
        yield from ((f"model{index}", variable) for index, variable in enumerate(self.model.variables))
        yield from ((f"optimizer{index}", variable) for index, variable in enumerate(self.model.optimizer.variables))

    def _memories(self) -> Iterable[tuple[str, keras.callbacks.Callback, str]]:
        """Yield (name, callback, attribute) of everything that is remembered."""
        for callback in self._callbacks:
            for key in MEMORIES.get(type(callback), ()):
                yield f"{type(callback).__name__}.{key}", callback, key


def _plain(value: Any) -> float | int | None:
    """Return a JSON number for what Keras keeps as a number, an array of no dimensions, or None."""
    return None if value is None else np.asarray(value).item()
