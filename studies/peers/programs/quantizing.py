"""Make an int8 network of a float one with another maker's quantizer, as its documentation has it.

Started with JSON: {"quantizer", "model", "target", "tensors"}; tensors: a .npy file (n, h, w, 3) float32 of calibration inputs.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def quantize_static(model: str, target: str, tensors: Any) -> None:
    """ONNX Runtime's static quantization: QDQ, kernels by channel."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat
    from onnxruntime.quantization import quantize_static as quantize
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = f"{target}.prepared"
    quant_pre_process(model, prepared)
    name = onnx.load(prepared).graph.input[0].name

    class Images(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(tensors)

        def get_next(self) -> dict[str, Any] | None:
            return next(({name: one[None]} for one in self.left), None)

    quantize(prepared, target, Images(), quant_format=QuantFormat.QDQ, per_channel=True)


def nncf(model: str, target: str, tensors: Any) -> None:
    """OpenVINO's own quantizer, on the float .tflite file that OpenVINO reads."""
    import nncf
    import openvino

    network = openvino.Core().read_model(model)
    images = nncf.Dataset(tensors, lambda one: one[None])
    openvino.save_model(nncf.quantize(network, images, subset_size=len(tensors)), target)


def ai_edge_quantizer(model: str, target: str, tensors: Any) -> None:
    """Google's quantizer for LiteRT: its recipe static_wi8_ai8 and its own calibration."""
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import qtyping, quantizer, recipe

    signatures = Interpreter(model_path=model).get_signature_list()
    key = next(iter(signatures))
    worker = quantizer.Quantizer(model, recipe.static_wi8_ai8())
    for end in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):  # float32 in and out, as the others
        worker.update_quantization_recipe(".*", end, algorithm_key=recipe.AlgorithmName.NO_QUANTIZE)
    ranges = worker.calibrate({key: [{signatures[key]["inputs"][0]: one[None]} for one in tensors]})
    worker.quantize(ranges).export_model(target, overwrite=True)


QUANTIZERS = {"quantize_static": quantize_static, "NNCF": nncf, "ai-edge-quantizer": ai_edge_quantizer}


def main() -> None:
    """Write the file that is asked for."""
    import numpy as np

    request = json.loads(sys.argv[1])
    QUANTIZERS[request["quantizer"]](request["model"], request["target"], np.load(request["tensors"]))


if __name__ == "__main__":
    main()
