"""Scores of a TFLite interpreter through `freezenet.edge_runtime.interpreter`, which says in one sentence what it cannot run."""

from __future__ import annotations

from typing import Any

from answering import answer_all


def prepare(request: dict[str, Any]) -> Any:
    """Import the interpreter and return the function that answers a question."""
    import platform

    import numpy as np

    from freezenet.edge_runtime.interpreter import Interpreter

    if platform.machine() != request["machine"]:
        raise ImportError(f"{request['machine']} was asked for and {platform.machine()} came")

    def answer(question: dict[str, Any]) -> dict[str, Any]:
        interpreter = Interpreter(question["model"], runtime=request["runtime"])
        tensors = np.load(question["tensors"])
        return {"scores": [interpreter.invoke(tensor[None])[0][0].tolist() for tensor in tensors]}

    return answer


if __name__ == "__main__":
    answer_all(prepare)
