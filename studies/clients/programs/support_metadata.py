"""The metadata of a model file as tflite-support reads it."""

from __future__ import annotations

from typing import Any

from answering import answer_all


def prepare(request: dict[str, Any]) -> Any:
    """Import tflite-support and return the function that answers a question."""
    import json

    from tflite_support import metadata

    def answer(question: dict[str, Any]) -> dict[str, Any]:
        displayer = metadata.MetadataDisplayer.with_model_file(question["model"])
        files = displayer.get_packed_associated_file_list()
        contents = {name: displayer.get_associated_file_buffer(name).hex() for name in files}
        return {"metadata": json.loads(displayer.get_metadata_json()), "files": contents}

    return answer


if __name__ == "__main__":
    answer_all(prepare)
