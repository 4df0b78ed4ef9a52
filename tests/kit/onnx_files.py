"""A teacher's files: a tiny ONNX network on a log-mel plane, and the TOML that describes it."""

import numpy as np

TOML = """\
file = "tiny.onnx"
sample_rate = 8000
embedding = "features"
logits = "logits"
[frontend]
n_fft = 256
hop_length = 128
bands = 8
"""


def write(folder, text=TOML, bands=8, embedding_axes=(3,)):
    """tiny.onnx: the mean over frames, (batch, bands), and 3 logits of it; tiny.toml. Returns the latter's path."""
    from onnx import TensorProto, helper, numpy_helper, save

    weights = np.random.default_rng(0).standard_normal((bands, 3)).astype(np.float32)
    axes = numpy_helper.from_array(np.array(embedding_axes, np.int64), "axes")
    one = numpy_helper.from_array(np.array([1], np.int64), "one")
    nodes = [
        helper.make_node("ReduceMean", ["mel", "axes"], ["mean"], keepdims=0),
        helper.make_node("Squeeze", ["mean", "one"], ["features"]),
        helper.make_node("MatMul", ["features", "weights"], ["logits"]),
    ]
    mel = helper.make_tensor_value_info("mel", TensorProto.FLOAT, ["batch", 1, bands, "frames"])
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("features", "logits")]
    graph = helper.make_graph(nodes, "tiny", [mel], outputs, [axes, one, numpy_helper.from_array(weights, "weights")])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), str(folder / "tiny.onnx"))
    (folder / "tiny.toml").write_text(text)
    return str(folder / "tiny.toml")
