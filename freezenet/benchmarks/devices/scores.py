"""What a model says of each image in a folder, on the device: `python -m freezenet.benchmarks.devices.scores MODEL FOLDER`.

Needs the base install alone. Prints one JSON object: "runtime", and under "scores" file name -> scores in the order of the labels.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import FreezenetError


def folder_scores(model: Path, folder: Path) -> dict[str, object]:
    """Return the scores of all files in a folder (JSON types); the failure of one that cannot be read is raised."""
    classifier = Classifier(model)
    spec = classifier.card.preprocess
    scores = {path.name: classifier.scores(spec.pixels(path)[None])[0].tolist() for path in sorted(folder.iterdir())}
    return {"runtime": classifier.runtime, "scores": scores}


if __name__ == "__main__":
    try:
        print(json.dumps(folder_scores(Path(sys.argv[1]), Path(sys.argv[2]))))
    except FreezenetError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
