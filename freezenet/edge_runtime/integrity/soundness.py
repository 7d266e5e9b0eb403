"""Whether a model file can be run: its network is the one that its card describes, and no damage ends the process.

The runtimes trust the numbers in a network, so a damaged one can end the process. Three things stand in front of them, the
cheapest first:

1. The card holds the SHA-256 of the network, and the archive a checksum of the card, so damage by accident is found in 2 ms.
2. A file without that digest (of an earlier version, or rewritten by another program) that nothing else proves is first run by a
   process of its own, whose end harms nobody and is seen: 0.3 s.
3. The tensors must be those that the card describes.

None of this holds against a person who makes a file on purpose: who can write the model decides what it answers. That is what
`conversion.json` (`freezenet.edge_runtime.integrity.shipped`) and the signature are for.

    python -m freezenet.edge_runtime.integrity.soundness RUNTIME < MODEL
"""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from freezenet.edge_runtime.errors import FreezenetError, ModelError, RefusedError
from freezenet.edge_runtime.integrity.model_file import ModelFile
from freezenet.edge_runtime.interpreter import RUNTIMES, Interpreter, installed_runtime
from freezenet.edge_runtime.ood import LogisticGate, single_gates
from freezenet.edge_runtime.system.child import module_command

if TYPE_CHECKING:
    from freezenet.edge_runtime.card import ModelCard
    from freezenet.edge_runtime.decision import DecisionRule

#: Seconds after which a network counts as hanging.
_LONGEST_TRIAL = 60.0
#: Address space that a network may take in its trial beyond what the runtime takes, in bytes.
_TRIAL_BYTES = 4 << 30


def check_network(file: ModelFile, card: ModelCard, runtime: str | None, accept_changed: bool) -> None:
    """Make sure that the network can be given to the interpreter.

    Args:
        file: The model.
        card: That inside it.
        runtime: See `Interpreter`.
        accept_changed: Also take a network that is not the card's own.

    Raises:
        RefusedError: The network is not the one that the card was written for.
        ModelError: A process of its own ended at it.
    """
    if file.proven:
        return
    network = card.content.get("network")
    if network is not None:
        try:
            file.check_network(network["bytes"], network["sha256"])
            return
        except RefusedError:
            if not accept_changed:
                raise
    _try_out(file, runtime)


def check_tensors(card: ModelCard, rule: DecisionRule, interpreter: Interpreter, name: str) -> None:
    """Raise ModelError where inputs and outputs are not those that the card describes.

    Args:
        card: That of the model.
        rule: Its decision rule.
        interpreter: Of the model.
        name: Of the file, for the sentence.
    """
    outputs = [tuple(map(int, one["shape"])) for one in interpreter.outputs]
    places = {kind: number for number, kind in enumerate(card.outputs)}
    labels = len(card.labels)
    if not outputs or len(outputs[0]) != 2 or outputs[0][-1] != labels:
        got = f"{outputs[0][-1]} scores" if outputs and len(outputs[0]) == 2 else "another output"
        raise ModelError(f"A model with one score for each of its {labels} labels is required. Got: {got}.")
    expected = (1, *card.preprocess.size, 3)
    inputs = [(tuple(map(int, one["shape"])), np.dtype(one["dtype"]).name) for one in interpreter.inputs]
    if len(inputs) != 1 or inputs[0][0] != expected or inputs[0][1] not in ("uint8", "int8", "float32"):
        raise ModelError(
            f"A model with an input of {' x '.join(map(str, expected))}, uint8, int8 or float32, as its card says, is required. "
            f"Got: {name} with {', '.join(f'{chr(32).join(map(str, shape))} {kind}' for shape, kind in inputs) or 'none'}."
        )
    if len(outputs) != len(places) or not all(_is_output(card, one) for one in interpreter.outputs):
        raise ModelError(
            f"A model with the outputs {', '.join(card.outputs)} of its card is required. Got: {name} with {len(outputs)} others."
        )
    if rule.gate is not None and "features" not in places:
        raise ModelError(
            "A model that gives features is required by the OOD gate in its card. "
            f"Got: {name} with {', '.join(places)}; use the file of profile edge."
        )
    wanted = {
        "cam": lambda shape: len(shape) == 4 and shape[-1] == labels,
        "features": lambda shape: (
            len(shape) == 2
            and all(
                shape[-1] == len(gate.weights if isinstance(gate, LogisticGate) else gate.mean)
                for gate in single_gates(rule.gate)
            )
        ),
    }
    for kind, fits in wanted.items():
        if kind in places and not fits(outputs[places[kind]]):
            raise ModelError(
                f"An output {kind} that fits the labels and the OOD gate in the card is required. Got: {name} with one of "
                f"{' x '.join(map(str, outputs[places[kind]]))}."
            )


def _is_output(card: ModelCard, details: dict[str, Any]) -> bool:
    """Whether an output is for one image, and of the type that the card says; integers need a scale."""
    kind = card.content.get("output", {}).get("dtype", "float32")
    dtype, (scale, _) = np.dtype(details["dtype"]).name, details["quantization"]
    return (
        details["shape"][0] == 1
        and dtype == kind
        and (dtype == "float32" or (dtype in ("uint8", "int8") and scale > 0))
    )


def _try_out(file: ModelFile, runtime: str | None) -> None:
    """Run the network in a process of its own; ModelError where that ends by a signal or not at all."""
    import subprocess  # here, because most files need no trial

    try:
        done = subprocess.run(
            module_command("freezenet.edge_runtime.integrity.soundness", runtime or ""),
            input=file.content,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_LONGEST_TRIAL,
            check=False,
        )
        how = f"signal {-done.returncode}" if done.returncode < 0 else ""
    except subprocess.TimeoutExpired:
        how = f"nothing for {_LONGEST_TRIAL:g} s"
    if how:
        raise ModelError(
            f"A network that can be run is required. Got: {file.path.name}, at which a process of its own ended with {how}; it is "
            "damaged, so fetch the file again."
        )


def _run(runtime: str | None) -> None:
    content = sys.stdin.buffer.read()
    import_module(RUNTIMES[runtime or installed_runtime()])
    # Where the system can: what the runtime itself takes does not count.
    with suppress(ImportError, ValueError, OSError):
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        most = used + _TRIAL_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    network = Interpreter(content, runtime=runtime)
    network.invoke(np.full(network.inputs[0]["shape"], 100, network.inputs[0]["dtype"]))


if __name__ == "__main__":
    # What is said in a sentence is said by the process that asked, too.
    with suppress(FreezenetError, ValueError, RuntimeError, MemoryError):
        _run(sys.argv[1] or None)
