"""A classifier as anybody would make one with Keras and TensorFlow's converter, beside ours, on the test images of a run.

    python -m studies.foreign RUN MODELS --weights mobilenet_v2_imagenet_1.0_224_no_top.h5 [--json] [--out results]

The other classifier knows nothing of this project: images as Keras loads them (Pillow, RGB, 224 x 224), MobileNetV2 with ImageNet weights, frozen, the mean of its
last maps, dropout and a softmax, trained on the training images of the run with a fixed seed. TensorFlow writes it as a float file and as
one of integers from end to end. Both are then read by `freezenet compare`, which is told what a stranger would tell it.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from freezenet.edge_runtime.system.environment import environment
from studies.command import StudyCommand, hand_over, result_options

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

    from freezenet.train.run import Run

logger = logging.getLogger(__name__)

SIZE, SEED, EPOCHS, BATCH = (224, 224), 0, 60, 32
#: What has to be said of such a file: Keras's own "tf" mode, and Pillow's resizing.
SPEC = "mean=127.5,std=127.5,resize=antialias"
#: Training images that TensorFlow measures ranges on.
CALIBRATION = 100


def loaded(paths: list[Path]) -> NDArray[np.float32]:
    """Return images (n, 224, 224, 3) from -1 to 1, as Keras's documentation loads them."""
    import keras
    import numpy as np

    images = [keras.utils.load_img(path, target_size=SIZE, interpolation="bilinear") for path in paths]
    return np.array([keras.utils.img_to_array(one) for one in images], np.float32) / 127.5 - 1


def trained(run: Run, weights: str, alpha: float) -> keras.Model:
    """Return the other classifier, trained on the training images of a run."""
    import keras
    import numpy as np

    keras.utils.set_random_seed(SEED)
    base = keras.applications.MobileNetV2((*SIZE, 3), alpha=alpha, include_top=False, weights=weights, pooling="avg")
    base.trainable = False
    rows = run.paths("train")
    features = np.concatenate(
        [
            base.predict(loaded([path for path, _ in rows[at : at + BATCH]]), verbose=0)
            for at in range(0, len(rows), BATCH)
        ]
    )
    truth = np.array([run.labels.index(row["class"]) for _, row in rows])
    share = np.bincount(truth) / len(truth)
    head = keras.Sequential([keras.layers.Dropout(0.2), keras.layers.Dense(len(run.labels), activation="softmax")])
    head.compile("adam", "sparse_categorical_crossentropy")
    rare = {number: float(1 / (len(share) * one)) for number, one in enumerate(share)}
    head.fit(features, truth, batch_size=BATCH, epochs=EPOCHS, class_weight=rare, verbose=0)
    image = keras.Input((*SIZE, 3))
    return keras.Model(image, head(base(image, training=False)))


def written(model: keras.Model, folder: Path, calibration: NDArray[np.float32]) -> tuple[Path, Path]:
    """Write the float and the integer file, as TensorFlow's documentation does."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    (folder / "keras-float32.tflite").write_bytes(converter.convert())
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([one[None]] for one in calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    (folder / "keras-int8.tflite").write_bytes(converter.convert())
    return folder / "keras-float32.tflite", folder / "keras-int8.tflite"


def study(run_folder: Path, models: Path, *, data: Path | None, weights: str, alpha: float) -> dict[str, Any]:
    """Return the comparison of both files with ours, and how the float file agrees with Keras itself (JSON types)."""
    import numpy as np

    from freezenet.benchmarks.any_model.compare import FilesAsked, compare_files
    from freezenet.benchmarks.any_model.opening import open_models
    from freezenet.train.run import Run

    run = Run.open(run_folder)
    model = trained(run, weights, alpha)
    place = Path(data or run.manifest["data"])
    with tempfile.TemporaryDirectory() as folder:
        rows = run.paths("train")
        chosen = np.linspace(0, len(rows) - 1, min(CALIBRATION, len(rows))).round().astype(int)
        calibration = loaded([rows[row][0] for row in chosen])
        files = written(model, Path(folder), calibration)
        names = (",".join(run.labels),)
        asked = FilesAsked(run=run_folder, specs=(SPEC,), labels=names)
        result = compare_files([models / "int8.tflite", models / "float32.tflite", *files], place, asked)
        (other,) = open_models(files[:1], place, specs=(SPEC,), labels=names)
        test = [path for path, _ in run.paths("test")]
        found = np.concatenate([other.scores(other.card.preprocess.pixels(path)[None]) for path in test])
    expected = model.predict(loaded(test), batch_size=BATCH, verbose=0)
    for one in result["variants"].values():
        # Counts say enough; file names are the data set's.
        one.pop("flipped", None)
    result.pop("data_root")
    return {
        **result,
        "spec": SPEC,
        "seed": SEED,
        "alpha": alpha,
        "data": place.name,
        "training_images": len(rows),
        "calibration_images": len(chosen),
        "against_keras": {
            "images": len(test),
            "same_class": int((found.argmax(1) == expected.argmax(1)).sum()),
            "largest_difference": round(float(np.abs(found - expected).max()), 6),
        },
        "environment": environment(),
    }


@click.command(cls=StudyCommand)
@click.argument("run", type=click.Path(exists=True, path_type=Path, file_okay=False))
@click.argument("models", type=click.Path(exists=True, path_type=Path, file_okay=False))
@click.option("--data", type=click.Path(exists=True, path_type=Path), help="Where DATA lies now, if it was moved.")
@click.option("--weights", default="imagenet", show_default=True, metavar="imagenet|FILE", help="Of MobileNetV2.")
@click.option("--alpha", default=1.0, show_default=True, help="Its width.")
@result_options
def main(
    run: Path, models: Path, data: Path | None, weights: str, alpha: float, as_json: bool, out: Path | None
) -> None:
    """Compare int8 and float32 in MODELS with a plain Keras classifier trained on the same images of RUN."""
    result = study(run, models, data=data, weights=weights, alpha=alpha)
    lines = [
        f"{name:<24} macro-F1 {one['macro_f1']['value']:.3f}  {one['verdict']['sentence'] if 'verdict' in one else ''}"
        for name, one in result["variants"].items()
    ]
    same = result["against_keras"]
    lines.append(
        f"{same['same_class']} of {same['images']} classes as Keras itself, scores within {same['largest_difference']:.4f}"
    )
    hand_over(result, f"foreign-{result['data'].partition('.')[0]}", "\n".join(lines), as_json, out)


if __name__ == "__main__":
    main()
