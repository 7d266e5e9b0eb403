from __future__ import annotations

import tensorflow as tf

from freezenet.convert.float.operators import read_operators


def test_operators_are_those_of_tensorflows_interpreter(models):
    content = (models / "int8.tflite").read_bytes()
    engine = tf.lite.Interpreter(
        model_content=content,
        experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    wanted = [(one["op_name"], int(one["outputs"][0])) for one in engine._get_ops_details()]
    found = read_operators(content)
    assert [(one.kind, one.tensor) for one in found] == wanted
    names = {one["index"]: one["name"] for one in engine.get_tensor_details()}
    assert all(one.name == names[one.tensor] for one in found)
    assert found[0].kind == "QUANTIZE" and found[-1].kind == "DEQUANTIZE"
