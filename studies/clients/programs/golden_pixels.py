"""Print the SHA-256 of every golden picture of a model after preprocessing, as JSON: golden_pixels.py MODEL."""

import json
import platform
import sys

from freezenet.edge_runtime.card import ModelCard
from freezenet.edge_runtime.images.preprocess import pixel_hash
from freezenet.edge_runtime.integrity.model_file import ModelFile

file = ModelFile.read(sys.argv[1])
card = ModelCard.read(file)
hashes = {one["image"]: pixel_hash(card.preprocess.pixels(file.associated(one["image"]))) for one in card.golden}
print(json.dumps({"machine": platform.machine(), "hashes": hashes}))
