"""TFLite files that TensorFlow's converter wrote (tests/kit/make_tflite.py): keras_files.small(), float and int8."""

from pathlib import Path

import hostile
import keras_files as kf
import numpy as np
import pytest

from l3convert import bounded, convert, formats
from l3convert.l3shape import DEQUANTISED
from l3host.errors import L3Error
from l3host.reference import floats


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Spare a process for each file: test_bounded.py is about those."""
    monkeypatch.setattr(bounded, "layers", formats.read)


FILES = {kind: Path(hostile.__file__).with_name(f"small_{kind}.tflite") for kind in ("float", "int8")}
PLANES = np.random.default_rng(3).uniform(-4, 0, (20, 64, 50))


def network(graph):
    fe = graph.frontend
    return floats.network(graph, PLANES * fe.norm_scale + fe.norm_shift).output


@pytest.fixture
def keras(tmp_path):
    return convert(kf.write_h5(tmp_path / "a.h5", kf.small()), "sea")


def test_a_float_file_is_the_keras_network(keras):
    """The converter folds batch norms in float32; else nothing is rounded."""
    graph = convert(str(FILES["float"]), "sea")
    assert [layer.name for layer in graph.layers] == [layer.name for layer in keras.layers]
    assert [layer.activation for layer in graph.layers] == ["relu", "relu", "softmax"]
    assert [conv.pool for conv in graph.convs] == [conv.pool for conv in keras.convs]
    for ours, theirs in zip(graph.layers, keras.layers, strict=True):
        np.testing.assert_allclose(ours.kernel, theirs.kernel, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(ours.bias, theirs.bias, rtol=1e-5, atol=1e-6)
    assert graph.frontend.norm_scale == pytest.approx(keras.frontend.norm_scale, rel=1e-6)
    np.testing.assert_allclose(network(graph), network(keras), atol=1e-6)
    assert DEQUANTISED not in graph.provenance["passes"]


def test_an_int8_file_is_dequantised_to_half_a_step_and_says_so(keras):
    graph = convert(str(FILES["int8"]), "sea")
    assert DEQUANTISED in graph.provenance["passes"]
    for quantised, exact in zip(graph.layers, keras.layers, strict=True):
        steps = np.abs(exact.kernel).reshape(-1, exact.kernel.shape[-1]).max(axis=0) / 127  # a scale for each filter
        assert (np.abs(quantised.kernel - exact.kernel) <= 0.51 * steps.max()).all()
        assert len(np.unique(quantised.kernel[..., 0])) <= 255
    assert np.abs(network(graph) - network(keras)).max() < 0.05


def test_an_operator_that_is_not_of_l3_s_shape_is_refused_by_its_name(tmp_path):
    """The code of MAX_POOL_2D (17) becomes that of AVERAGE_POOL_2D (1)."""
    import tflite

    data = FILES["float"].read_bytes()
    model = tflite.Model.GetRootAs(data, 0)
    codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
    (pool,) = [code for code in codes if code.BuiltinCode() == tflite.BuiltinOperator.MAX_POOL_2D]
    edited = bytearray(data)
    for slot, size in ((4, 1), (10, 4)):  # deprecated_builtin_code, builtin_code in the table
        offset = pool._tab.Offset(slot)
        if offset:
            edited[pool._tab.Pos + offset : pool._tab.Pos + offset + size] = (1).to_bytes(size, "little")
    (tmp_path / "a.tflite").write_bytes(edited)
    with pytest.raises(L3Error, match=r"^a\.tflite: layer .* \(AVERAGE_POOL_2D\): not supported: supported are"):
        convert(str(tmp_path / "a.tflite"), "sea")


def test_without_a_front_end_the_message_names_the_choices():
    with pytest.raises(L3Error, match=r"no front-end before it: name the one to use, --frontend sea\|"):
        convert(str(FILES["float"]))


def test_what_is_no_tflite_is_refused(tmp_path):
    (tmp_path / "a.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(range(64)))
    with pytest.raises(L3Error, match="damaged or no TFLite file"):
        convert(str(tmp_path / "a.tflite"), "sea")
