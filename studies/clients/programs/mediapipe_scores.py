"""Scores of MediaPipe Tasks' ImageClassifier, as an app would ask for them: a picture in, categories out."""

from __future__ import annotations

from typing import Any

from answering import answer_all


def prepare(request: dict[str, Any]) -> Any:
    """Import MediaPipe and return the function that answers a question."""
    import mediapipe
    import numpy as np
    from mediapipe.tasks.python import BaseOptions
    from mediapipe.tasks.python.vision import ImageClassifier, ImageClassifierOptions

    def answer(question: dict[str, Any]) -> dict[str, Any]:
        options = ImageClassifierOptions(base_options=BaseOptions(model_asset_path=question["model"]))
        rows, names = [], {}
        with ImageClassifier.create_from_options(options) as classifier:
            for gray in np.load(question["pixels"]):
                rgb = np.ascontiguousarray(np.repeat(gray[..., None], 3, axis=-1))
                image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb)
                categories = classifier.classify(image).classifications[0].categories
                names.update({one.index: one.category_name for one in categories})
                rows.append([one.score for one in sorted(categories, key=lambda one: one.index)])
        return {"scores": rows, "labels": [names[index] for index in sorted(names)]}

    return answer


if __name__ == "__main__":
    answer_all(prepare)
