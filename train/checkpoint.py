"""Survive a kill: after each epoch everything that training needs to go on stands in one file."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import keras
import numpy as np

from train.files import write_atomically


class Checkpoint(keras.callbacks.Callback):
    """Write the state after each epoch and restore it when training starts again.

    The state is the model's and the optimizer's variables, what early stopping remembers, and the history. Keras'
    BackupAndRestore keeps the first two only, so a resumed run would stop in another epoch and forget its best weights.

    path: of the file; early_stopping: the callback whose memory is kept; averaging: the callback that swaps averaged
    weights into the model, if there is one. Place this callback behind both.
    """

    _MEMORY = ("best", "best_epoch", "wait")

    def __init__(
        self,
        path: Path,
        early_stopping: keras.callbacks.EarlyStopping,
        averaging: keras.callbacks.SwapEMAWeights | None = None,
    ) -> None:
        """Read the file's account of what has been done, if there is one."""
        super().__init__()
        self._path, self._early_stopping, self._averaging = path, early_stopping, averaging
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
        return len(self.history)

    def on_train_begin(self, logs=None):
        """Restore the variables and the memory."""
        if self._state is None:
            return
        # Keras makes Adam's moments in the first step only; unmade ones would not be restored but begin at zero.
        self.model.optimizer.build(self.model.trainable_variables)
        if self._averaging is not None:
            # The state was written with the averages in the model; this lets the callback know before they get there.
            self._averaging.on_test_begin()
        for name, variable in self._variables():
            variable.assign(self._state[name])
        account = json.loads(str(self._state["account"]))
        for key in self._MEMORY:
            setattr(self._early_stopping, key, account[key])
        self._early_stopping.best_weights = [
            self._state[f"best{index}"] for index in range(account["best_weights"])
        ] or None

    def on_epoch_end(self, epoch, logs=None):
        """Write the state under a temporary name and rename it."""
        self.history.append({"epoch": epoch, **{name: float(value) for name, value in (logs or {}).items()}})
        stopping = self._early_stopping
        best = stopping.best_weights or []
        self.finished = self.model.stop_training or epoch + 1 >= self.params["epochs"]
        account = {
            "history": self.history,
            "finished": self.finished,
            "best_weights": len(best),
            **{key: _plain(getattr(stopping, key)) for key in self._MEMORY},
        }
        state = {name: keras.ops.convert_to_numpy(variable) for name, variable in self._variables()}
        state.update({f"best{index}": np.asarray(weight) for index, weight in enumerate(best)})
        write_atomically(self._path, partial(np.savez, account=np.array(json.dumps(account)), **state))

    def _variables(self):
        yield from ((f"model{index}", variable) for index, variable in enumerate(self.model.variables))
        yield from ((f"optimizer{index}", variable) for index, variable in enumerate(self.model.optimizer.variables))


def _plain(value) -> float | int | None:
    """Return a JSON number for what Keras keeps as a number, an array of no dimensions, or None."""
    return None if value is None else np.asarray(value).item()
