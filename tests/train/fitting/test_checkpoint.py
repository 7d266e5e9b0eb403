"""A checkpoint holds all that training needs: weights, optimizer, what other callbacks remember, the history."""

from __future__ import annotations

import os

import keras
import numpy as np
import pytest

from freezenet.train.fitting.checkpoint import MEMORIES, Checkpoint

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 6)).astype(np.float32)
Y = np.eye(2, dtype=np.float32)[(X[:, 0] * X[:, 1] > 0).astype(int)]


class Killed(Exception):
    """Stands for the kill of a process."""


def fit(path, epochs, kill_after=None, patience=100, rate=0.05) -> tuple[Checkpoint, keras.Model]:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([
        keras.Input((6,)), keras.layers.Dense(8, activation="tanh"), keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.3, seed=1), keras.layers.Dense(2, activation="softmax"),
    ])  # fmt: skip
    model.compile(keras.optimizers.Adam(rate), "categorical_crossentropy")
    stopping = keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True)
    checkpoint = Checkpoint(path, [stopping])

    def end(epoch, logs):
        if epoch + 1 == kill_after:
            raise Killed

    callbacks = [stopping, checkpoint, keras.callbacks.LambdaCallback(on_epoch_end=end)]
    epochs = checkpoint.next_epoch if checkpoint.finished else epochs
    model.fit(X[:48], Y[:48], batch_size=16, epochs=epochs, initial_epoch=checkpoint.next_epoch, shuffle=False,
              validation_data=(X[48:], Y[48:]), callbacks=callbacks, verbose=0)  # fmt: skip
    return checkpoint, model


def test_a_resumed_training_is_an_unbroken_one(tmp_path, capsys):
    """With Adam's moments and the state of Dropout, to the last bit but a few."""
    whole, model = fit(tmp_path / "a.npz", 8)
    for kill_after in (2, 5):
        with pytest.raises(Killed):
            fit(tmp_path / "b.npz", 8, kill_after)
    resumed, again = fit(tmp_path / "b.npz", 8)
    said = [f"going on after epoch {epoch}, from {tmp_path / 'b.npz'}" for epoch in (2, 5)]
    assert capsys.readouterr().err.splitlines() == said
    assert [epoch["epoch"] for epoch in resumed.history] == list(range(8))
    for one, other in zip(whole.history, resumed.history, strict=True):
        assert other == pytest.approx(one, rel=1e-5)
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-6)


def test_early_stopping_remembers(tmp_path):
    whole, model = fit(tmp_path / "a.npz", 60, patience=3, rate=0.3)
    stopped = len(whole.history)
    assert stopped < 60
    best = int(np.argmin([epoch["val_loss"] for epoch in whole.history]))
    assert stopped == best + 1 + 3
    with pytest.raises(Killed):
        fit(tmp_path / "b.npz", 60, stopped - 1, patience=3, rate=0.3)  # inside the patience, behind the best
    resumed, again = fit(tmp_path / "b.npz", 60, patience=3, rate=0.3)
    assert len(resumed.history) == stopped
    assert resumed.finished
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-6)
    value = again.evaluate(X[48:], Y[48:], verbose=0)
    assert value == pytest.approx(whole.history[best]["val_loss"], rel=1e-4)


def test_a_finished_training_only_restores(tmp_path):
    whole, model = fit(tmp_path / "a.npz", 4)
    assert whole.finished
    again, restored = fit(tmp_path / "a.npz", 4)
    assert again.history == whole.history
    for one, other in zip(model.get_weights(), restored.get_weights(), strict=True):
        np.testing.assert_array_equal(other, one)


def test_nothing_but_the_file_remains(tmp_path):
    with pytest.raises(Killed):
        fit(tmp_path / "a.npz", 4, 1)
    assert os.listdir(tmp_path) == ["a.npz"]
    fresh = Checkpoint(tmp_path / "none.npz", [keras.callbacks.EarlyStopping()])
    assert (fresh.next_epoch, fresh.finished, fresh.history) == (0, False, [])


@pytest.mark.parametrize("kind", MEMORIES, ids=lambda kind: kind.__name__)
def test_all_that_a_callback_changes_while_it_runs_is_remembered(kind):
    """Held against the callback itself: no other attribute may differ between its begin and its end."""
    callback = kind(
        "val_loss", patience=2, **({"restore_best_weights": True} if "best_weights" in MEMORIES[kind] else {})
    )
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2, activation="softmax")])
    model.compile(keras.optimizers.Adam(1e-3), "categorical_crossentropy")
    callback.set_model(model)
    callback.on_train_begin()
    callback.on_epoch_end(0, {"val_loss": 3.0})
    before = dict(vars(callback))
    for epoch, loss in enumerate((2.0, 2.5, 2.4, 2.3), 1):
        callback.on_epoch_end(epoch, {"val_loss": loss})
    changed = {name for name, value in vars(callback).items() if value is not before[name]}
    # The epoch of the stop is only printed.
    assert changed - {"stopped_epoch"} <= set(MEMORIES[kind])


def test_epochs_may_begin_with_any_number(tmp_path):
    checkpoint = Checkpoint(tmp_path / "none.npz", [], first_epoch=4)
    assert checkpoint.next_epoch == 4
