"""What is said of a training, of made-up RUN folders."""

from __future__ import annotations

import json

import pytest

from freezenet.benchmarks.reporting.training_facts import TrainingFacts
from freezenet.train.run_folder import RunFolder

ROWS = (
    "head,0,0.5,9,0.5,0.1,1",
    "fine-tuning,1,0.5,9,0.5,0.7,1",
    "fine-tuning,2,0.6,8,0.6,0.4,1",
    "fine-tuning,3,0.7,7,0.7,0.5,1",
)


@pytest.fixture
def facts(tmp_path):
    def read(stopping="early", weights="none", share=False):
        run = RunFolder(tmp_path)
        run.history_file.write_text("\n".join(("phase,epoch,accuracy,loss,val_accuracy,val_loss,learning_rate", *ROWS)))
        if stopping:
            run.recipe_file.write_text(f'stopping = "{stopping}"\n')
        if weights:
            run.manifest_file.write_text(json.dumps({"weights": weights}))
        return TrainingFacts.of(run, share=share)

    return read


def test_the_epoch_that_was_kept_is_the_best_of_the_last_phase(facts):
    one = facts()
    assert one.kept.startswith("The state after epoch 3 was kept, where the loss on the validation images was lowest")
    assert [row["val_loss"] for row in one.history] == [0.1, 0.7, 0.4, 0.5]
    assert facts("none").kept == "The state after the last epoch was kept."


def test_what_a_folder_does_not_say_is_not_said(facts):
    one = facts(stopping="", weights="")
    assert (one.kept, one.began) == ("", "")


def test_where_the_weights_come_from_names_no_file_to_others(facts):
    assert facts(weights="none").began == "It began with random weights."
    assert "photographs (ImageNet)" in facts(weights="imagenet").began
    assert "the weights in mary.h5;" in facts(weights="/wards/mary.h5").began
    assert "mary" not in facts(weights="/wards/mary.h5", share=True).began
