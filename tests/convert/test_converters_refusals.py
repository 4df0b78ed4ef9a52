"""Everything that is not L3-shaped is refused in one line that names the layer and what is supported."""

import json
import zipfile
from pathlib import Path

import h5py
import keras_files as kf
import numpy as np
import pytest

from l3convert import bounded, convert, formats
from l3host.errors import L3Error
from l3host.graph.network import FRONTENDS
from l3mote.format import Frontend


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Spare a process for each refusal: test_bounded.py is about those."""
    monkeypatch.setattr(bounded, "layers", formats.read)


def refused(path, frontend=None, embedding_size=None):
    with pytest.raises(L3Error) as caught:
        convert(str(path), frontend, embedding_size)
    message = str(caught.value)
    assert "\n" not in message
    return message


def at(layers, name):
    return next(i for i, layer in enumerate(layers) if layer.name == name)


def inserted(after, *new):
    """The small network with layers put in after the named one."""
    layers = kf.small()
    place = at(layers, after) + 1
    return layers[:place] + list(new) + layers[place:]


def changed(name, **config):
    layers = kf.small()
    layers[at(layers, name)].config |= config
    return layers


def without(*names):
    return [layer for layer in kf.small() if layer.name not in names]


def replaced(name, new):
    layers = kf.small()
    layers[at(layers, name)] = new
    return layers


NETWORKS = {  # name -> (layers, words of the message)
    "kernel_5x5": (replaced("conv_b", kf.conv("conv_b", 4, 4, kernel_size=[5, 5])), "layer conv_b (Conv2D)", "3x3"),
    "stride_2": (changed("conv_b", strides=[2, 2]), "layer conv_b (Conv2D)", "stride 1"),
    "padding_valid": (changed("conv_b", padding="valid"), "layer conv_b (Conv2D)", "'same'"),
    "dilation": (changed("conv_b", dilation_rate=[2, 2]), "layer conv_b (Conv2D)", "no dilation"),
    "groups": (changed("conv_b", groups=2), "layer conv_b (Conv2D)", "1 group"),
    "channels_first": (changed("conv_b", data_format="channels_first"), "layer conv_b (Conv2D)", "channels_last"),
    "pool_channels_first": (changed("pool_a", data_format="channels_first"), "layer pool_a", "channels_last"),
    "conv_activation": (changed("conv_b", activation="tanh"), "layer conv_b (Conv2D)", "'tanh'", "relu"),
    "conv_sigmoid": (changed("relu_b", activation="sigmoid"), "layer relu_b (Activation)", "relu"),
    "dense_activation": (changed("dense_a", activation="gelu"), "layer dense_a (Dense)", "softmax, sigmoid"),
    "relu6": (changed("relu_a", max_value=6.0), "layer relu_a (ReLU)", "max_value", "plain ReLU"),
    "leaky_relu": (replaced("relu_a", kf.plain("LeakyReLU", "leaky")), "layer leaky (LeakyReLU)", "supported are"),
    "softmax_axis": (changed("softmax", axis=2), "layer softmax (Softmax)", "axis 2"),
    "second_activation": (inserted("relu_b", kf.plain("ReLU", "again")), "layer again (ReLU)", "once"),
    "relu_after_pool": (inserted("pool_a", kf.plain("ReLU", "late")), "layer late (ReLU)", "before the pool"),
    "relu_on_the_plane": (inserted("input_1", kf.plain("ReLU", "early")), "layer early (ReLU)", "after a convolution"),
    "batch_norm_after_relu": (inserted("relu_b", kf.norm("bn_b", 4)), "layer bn_b (BatchNormalization)", "before its ReLU"),
    "batch_norm_after_pool": (inserted("pool_a", kf.norm("late", 4)), "layer late (BatchNormalization)", "directly after"),
    "batch_norm_axis": (changed("bn_a", axis=1), "layer bn_a (BatchNormalization)", "axis 1"),
    "batch_norm_channels": (replaced("bn_a", kf.norm("bn_a", 3)), "layer bn_a", "3 channels after 4 filters"),
    "two_input_batch_norms": (inserted("bn0", kf.norm("bn1", 1)), "layer bn1 (BatchNormalization)", "one batch norm"),
    "input_batch_norm_channels": (replaced("bn0", kf.norm("bn0", 50)), "layer bn0", "one channel"),
    "average_pool": (replaced("pool_a", kf.plain("AveragePooling2D", "mean")), "layer mean (AveragePooling2D)", "max-pool"),
    "pool_strides": (changed("pool_a", strides=[1, 1]), "layer pool_a (MaxPooling2D)", "strides equal to a pool"),
    "pool_same_uneven": (changed("pool_a", padding="same"), "layer pool_a (MaxPooling2D)", "divides the plane"),
    "pool_of_the_input": (inserted("bn0", kf.max_pool("first", [2, 2])), "layer first", "after a convolution"),
    "pool_too_big": (changed("pool_a", pool_size=[65, 1], strides=[65, 1]), "layer pool_a", "pool (65, 1)", "fits"),
    "conv_after_flatten": (inserted("pool_a", kf.plain("Flatten", "flat")), "layer conv_b (Conv2D)", "after Flatten"),
    "flatten_of_the_input": (inserted("bn0", kf.plain("Flatten", "flat")), "layer flat", "after the last convolution"),
    "dense_on_a_plane": (without("global"), "layer dense_a (Dense)", "Flatten"),
    "dense_of_wrong_size": (replaced("dense_a", kf.dense("dense_a", 5, 3)), "layer dense1", "on 4 values"),
    "no_convolution": (kf.small()[:2], "layer bn0", "without a convolution"),
    "residual_layer": (inserted("relu_b", kf.plain("Add", "add")), "layer add (Add)", "supported are"),
    "code_in_a_layer": (inserted("relu_b", kf.plain("Lambda", "code")), "layer code (Lambda)", "supported are"),
    "nested_model": (inserted("relu_b", kf.plain("Sequential", "block")), "layer block (Sequential)", "supported are"),
    "pool_of_nothing": (changed("pool_a", pool_size=[0, 1], strides=[0, 1]), "layer pool_a", "pool (0, 1)", "fits"),
    "nonsense": (changed("pool_a", pool_size="two"), "layer pool_a (MaxPooling2D)", "make no sense"),
    "late_front_end": (inserted("bn0", kf.spectrogram(512, 242)), "layer spectrogram_1", "comes first"),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_network(name, tmp_path):
    layers, *words = NETWORKS[name]
    message = refused(kf.write_h5(tmp_path / "a.h5", layers), "sea")
    assert [word for word in words if word not in message] == [], message


def test_the_unchanged_network_is_accepted(tmp_path):
    graph = convert(kf.write_h5(tmp_path / "a.h5", kf.small()), "sea")
    assert [layer.activation for layer in graph.layers] == ["relu", "relu", "softmax"]


# -- how layers are connected


def connected(edit):
    layers = kf.small()
    config = kf.model_config(layers)
    edit(config["config"])
    return layers, config


def test_branch(tmp_path):
    def edit(config):
        config["layers"][5]["inbound_nodes"] = [[["conv_a", 0, 0, {}]]]

    layers, config = connected(edit)
    assert "layer conv_a (Conv2D): feeds bn_a and pool_a" in refused(kf.write_h5(tmp_path / "a.h5", layers, config=config), "sea")


def test_merge(tmp_path):
    def edit(config):
        config["layers"][7]["inbound_nodes"] = [[["conv_b", 0, 0, {}], ["pool_a", 0, 0, {}]]]

    layers, config = connected(edit)
    assert "layer relu_b (Activation): takes conv_b and pool_a" in refused(
        kf.write_h5(tmp_path / "a.h5", layers, config=config), "sea"
    )


def test_merge_as_keras_3_writes_it(tmp_path):
    def tensor(name):
        return {"class_name": "__keras_tensor__", "config": {"shape": [None], "keras_history": [name, 0, 0]}}

    def edit(config):
        config["layers"][7]["inbound_nodes"] = [{"args": [[tensor("conv_b"), tensor("pool_a")]], "kwargs": {}}]

    layers, config = connected(edit)
    assert "takes conv_b and pool_a" in refused(kf.write_h5(tmp_path / "a.h5", layers, config=config), "sea")


def test_shared_layer(tmp_path):
    def edit(config):
        config["layers"][7]["inbound_nodes"] = [[["conv_b", 0, 0, {}]], [["bn_a", 0, 0, {}]]]

    layers, config = connected(edit)
    assert "each used once" in refused(kf.write_h5(tmp_path / "a.h5", layers, config=config), "sea")


def test_two_inputs(tmp_path):
    layers, config = connected(lambda config: config["layers"][6].update(inbound_nodes=[]))
    assert "inputs input_1, conv_b: supported is a model of one input" in refused(
        kf.write_h5(tmp_path / "a.h5", layers, config=config), "sea"
    )


def test_output_in_the_middle(tmp_path):
    layers, config = connected(lambda config: config["output_layers"].append(["relu_b", 0, 0]))
    assert "outputs softmax, relu_b: supported is one output" in refused(
        kf.write_h5(tmp_path / "a.h5", layers, config=config), "sea"
    )


def test_model_of_another_class(tmp_path):
    layers, config = connected(lambda config: None)
    config["class_name"] = "MyModel"
    assert "class MyModel: supported are Sequential" in refused(kf.write_h5(tmp_path / "a.h5", layers, config=config), "sea")


def test_configuration_that_makes_no_sense(tmp_path):
    layers, config = connected(lambda config: config.pop("layers"))
    assert "damaged or no Keras .h5 file: KeyError" in refused(kf.write_h5(tmp_path / "a.h5", layers, config=config), "sea")


# -- front-end and embedding


def test_no_front_end(tmp_path):
    message = refused(kf.write_h5(tmp_path / "a.h5", kf.small()))
    assert "layer bn0" in message and "--frontend sea|mel256|mel128|linear" in message


def test_unknown_front_end(tmp_path):
    assert "unknown front-end 'mel512'" in refused(kf.write_h5(tmp_path / "a.h5", kf.small()), "mel512")


def test_front_end_of_another_shape(tmp_path):
    message = refused(kf.write_h5(tmp_path / "a.h5", kf.small()), "mel128")
    assert "input (64, 50, 1), front-end mel128 makes (128, 199, 1)" in message


def test_front_end_that_contradicts_the_file(tmp_path):
    path = kf.write_h5(tmp_path / "a.h5", kf.published("sea", (2,) * 8, True))
    assert "sample_rate is 8000, front-end mel256 has 48000" in refused(path, "mel256")


MEL_SETTINGS = {
    "htk": False, "norm": None, "power_melgram": 2.0, "power_spectrogram": 1.0, "return_decibel_melgram": False,
    "return_decibel_spectrogram": True, "image_data_format": "channels_first", "padding": "causal", "n_dft": 1000,
    "fmax": 9000.0,
}  # fmt: skip


@pytest.mark.parametrize("key", MEL_SETTINGS)
def test_melspectrogram_setting(key, tmp_path):
    layers = kf.published("sea", (2,) * 8, True)
    layers[1].config[key] = MEL_SETTINGS[key]
    message = refused(kf.write_h5(tmp_path / "a.h5", layers))
    assert "layer melspectrogram_1 (Melspectrogram)" in message
    assert {"n_dft": "n_fft"}.get(key, key) in message


@pytest.mark.parametrize("key, value", [("power_spectrogram", 2.0), ("return_decibel_spectrogram", False), ("n_hop", 200)])
def test_spectrogram_setting(key, value, tmp_path):
    layers = kf.published("linear", (2,) * 8, False)
    layers[1].config[key] = value
    message = refused(kf.write_h5(tmp_path / "a.h5", layers))
    assert "layer spectrogram_1 (Spectrogram)" in message and str(value) in message


@pytest.mark.parametrize("name", ["real_kernels", "imag_kernels", "Variable"])
def test_trained_front_end(name, tmp_path):
    layers = kf.published("sea", (2,) * 8, True)
    layers[1].weights[name] = layers[1].weights[name] * np.float32(1.001)
    assert f"layer melspectrogram_1 (Melspectrogram): {name} is not" in refused(kf.write_h5(tmp_path / "a.h5", layers))


def test_stereo_input(tmp_path):
    layers = kf.published("sea", (2,) * 8, True)
    layers[0].config["batch_input_shape"] = [None, 2, 8000]
    assert "supported is (batch, 1, samples)" in refused(kf.write_h5(tmp_path / "a.h5", layers))


def log_mel(**config):
    layers = kf.small()
    layers[0].config["batch_input_shape"] = [None, 8000]
    fields = dict(zip(Frontend.FIELDS, FRONTENDS["sea"], strict=True))
    layers.insert(1, kf.plain("l3mote>LogMel", "log_mel", **(fields | config)))
    return layers


def test_log_mel_window_differs_from_the_input(tmp_path):
    assert "window of 4000 on an input of 8000" in refused(kf.write_h5(tmp_path / "a.h5", log_mel(window=4000)))


def test_log_mel_out_of_range(tmp_path):
    assert "layer log_mel (l3mote>LogMel): n_fft 1000 is out of range" in refused(
        kf.write_h5(tmp_path / "a.h5", log_mel(n_fft=1000))
    )


def test_log_mel_without_a_field(tmp_path):
    layers = log_mel()
    del layers[1].config["floor"]
    assert "layer log_mel (l3mote>LogMel): floor missing" in refused(kf.write_h5(tmp_path / "a.h5", layers))


def test_embedding_size_that_cannot_be(tmp_path):
    path = kf.write_h5(tmp_path / "a.h5", kf.published("mel128", (2,) * 8, False))
    assert "embedding of 7 from a plane of 16 x 24 x 2: supported are 2, and 24" in refused(path, embedding_size=7)


def test_embedding_size_of_a_network_that_pools(tmp_path):
    path = kf.write_h5(tmp_path / "a.h5", kf.published("sea", (2,) * 8, True))
    assert "the embedding has 2 values, not 24" in refused(path, embedding_size=24)


# -- weights and files


@pytest.mark.parametrize("layer, weight", [("conv_a", "kernel"), ("conv_b", "bias"), ("bn_a", "gamma"), ("bn_a", "moving_mean")])
def test_missing_weight(layer, weight, tmp_path):
    layers = kf.small()
    del layers[at(layers, layer)].weights[weight]
    assert f"layer {layer} " in (message := refused(kf.write_h5(tmp_path / "a.h5", layers), "sea")) and weight in message


def test_quantised_weights(tmp_path):
    layers = kf.small()
    weights = layers[at(layers, "conv_b")].weights
    weights["kernel"] = weights["kernel"].astype(np.int8)
    assert "layer conv_b (Conv2D): kernel is int8" in refused(kf.write_h5(tmp_path / "a.h5", layers), "sea")


def test_weights_that_are_not_finite(tmp_path):
    layers = kf.small()
    layers[at(layers, "conv_b")].weights["kernel"][0, 0, 0, 0] = np.nan
    assert "layer conv2: weights are not finite" in refused(kf.write_h5(tmp_path / "a.h5", layers), "sea")


def test_weights_only_of_an_unknown_network(tmp_path):
    assert "published L3 audio network" in refused(kf.write_h5(tmp_path / "a.h5", kf.small(), whole=False))


def test_weights_only_of_an_unknown_front_end(tmp_path):
    layers = kf.published("sea", (2,) * 8, True)
    layers[1] = kf.melspectrogram(8000, 512, 160, 32)
    assert "DFT of 512 and 32 bands" in refused(kf.write_h5(tmp_path / "a.h5", layers, whole=False))


def test_keras_3_weights_only(tmp_path):
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        file["layers/conv2d/vars/0"] = np.zeros(3)
    assert "save the whole Keras model" in refused(tmp_path / "a.weights.h5")


def test_unknown_format(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"\x89PNG...")
    assert "unknown format (first bytes 89 50 4e 47): supported are Keras .h5, Keras 3 .keras, TFLite and ONNX" in refused(
        tmp_path / "a.h5"
    )


def test_empty_file(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"")
    assert "unknown format" in refused(tmp_path / "a.h5")


def test_missing_file(tmp_path):
    assert "No such file" in refused(tmp_path / "absent.h5")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.99])
def test_truncated_h5(share, tmp_path):
    data = Path(kf.write_h5(tmp_path / "a.h5", kf.small())).read_bytes()
    (tmp_path / "b.h5").write_bytes(data[: int(share * len(data))])
    assert "damaged or no Keras .h5 file" in refused(tmp_path / "b.h5", "sea")


def test_zip_that_is_not_a_keras_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("word/document.xml", "")
    assert "damaged or no .keras file" in refused(tmp_path / "a.keras")


def test_keras_file_with_broken_json(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", "{")
        archive.writestr("model.weights.h5", "")
    assert "damaged or no .keras file" in refused(tmp_path / "a.keras")


def test_keras_layer_with_extra_arrays(tmp_path):
    """Quantised and LoRA layers hold more arrays than their names account for."""
    layers = [{"class_name": layer.class_name, "config": {"name": layer.name} | layer.config} for layer in kf.small()]
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for layer in kf.small():
            for i, array in enumerate(list(layer.weights.values()) * (2 if layer.name == "conv_b" else 1)):
                file[f"layers/{layer.name}/vars/{i}"] = array
            file.require_group(f"layers/{layer.name}/vars").attrs["name"] = layer.name
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {"layers": layers}}))
        archive.write(tmp_path / "w.h5", "model.weights.h5")
    assert "layer conv_b (Conv2D): 4 arrays in the file" in refused(tmp_path / "a.keras", "sea")


@pytest.mark.parametrize("text", ["[]", "{", '"model"', '{"class_name": "Model", "config": 3}', '{"class_name": "Sequential"}'])
def test_model_config_that_keras_did_not_write(text, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["model_config"] = text
    assert "damaged or no Keras .h5 file" in refused(tmp_path / "a.h5", "sea")


# -- files that lead elsewhere, or cost too much

BIAS = "conv_b/bias:0"
SECRET = np.arange(4, dtype="<f4")


def lead_elsewhere(kind, group, folder):
    """Put another file's values, or a link, in the place of a bias."""
    place = f"model_weights/conv_b/{BIAS}"
    del group[place]
    (folder / "secret.bin").write_bytes(SECRET.tobytes())
    with h5py.File(folder / "secret.h5", "w") as other:
        other["bias"] = SECRET
    if kind == "external storage":
        group.create_dataset(place, (4,), "<f4", external=[(str(folder / "secret.bin"), 0, 16)])
    elif kind == "external link":
        group[place] = h5py.ExternalLink(str(folder / "secret.h5"), "/bias")
    elif kind == "soft link":
        group[place] = h5py.SoftLink(f"/{place}")  # to itself
    else:
        layout = h5py.VirtualLayout((4,), "<f4")
        layout[:] = h5py.VirtualSource(str(folder / "secret.h5"), "bias", (4,))
        group.create_virtual_dataset(place, layout)


@pytest.mark.parametrize("kind", ["external storage", "external link", "soft link", "virtual"])
def test_an_h5_that_leads_to_other_files_is_refused(kind, tmp_path):
    path = kf.write_h5(tmp_path / "a.h5", kf.small())
    with h5py.File(path, "r+") as file:
        lead_elsewhere(kind, file, tmp_path)
    message = refused(path, "sea")
    reason = "is a link to elsewhere, which is not followed" if "link" in kind else "has its values in another file, which is not"
    assert f"{BIAS} {reason}" in message


def test_arrays_larger_than_any_network_are_refused_before_they_are_read(tmp_path):
    path = kf.write_h5(tmp_path / "a.h5", kf.small())
    with h5py.File(path, "r+") as file:
        file.create_dataset("more", (1 << 20, 1 << 20), "f4", chunks=(64, 64))  # 4 TB of the fill value in a few bytes
    assert "all arrays together has 4,398,046,5" in refused(path, "sea")


def test_a_zip_that_unpacks_to_more_than_any_network_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        with archive.open("model.weights.h5", "w", force_zip64=True) as file:
            for _ in range(600):
                file.write(bytes(1 << 20))
    assert "model.weights.h5 has 629,145,600 bytes, more than the 536,870,912 that are read" in refused(tmp_path / "a.keras")


def test_a_rescaling_layer_is_named(tmp_path):
    """Its scale, a float, was taken for a batch norm's flag."""
    layers = [{"class_name": layer.class_name, "config": {"name": layer.name} | layer.config} for layer in kf.small()]
    layers.insert(1, {"class_name": "Rescaling", "config": {"name": "rescaling", "scale": 0.0125, "offset": 1.0}})
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for name, arrays in [("rescaling", []), *((layer.name, layer.weights.values()) for layer in kf.small())]:
            file.require_group(f"layers/{name}/vars").attrs["name"] = name
            for i, array in enumerate(arrays):
                file[f"layers/{name}/vars/{i}"] = array
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {"layers": layers}}))
        archive.write(tmp_path / "w.h5", "model.weights.h5")
    message = refused(tmp_path / "a.keras", "sea")
    assert "layer rescaling (Rescaling)" in message and "damaged" not in message


def keras_zip(path, weights, *others):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.write(weights, "model.weights.h5")
        for name in others:
            archive.writestr(name, "x")
    return path


def test_a_model_that_keras_will_read_is_looked_at_before(tmp_path):
    whole = Path(kf.write_h5(tmp_path / "a.h5", kf.small()))
    bounded.look(whole)
    bounded.look(keras_zip(tmp_path / "a.keras", whole))
    bad = {"holds model.weights.npz": keras_zip(tmp_path / "c.keras", whole, "model.weights.npz")}
    with h5py.File(whole, "r+") as file:
        lead_elsewhere("external storage", file, tmp_path)
    bad["has its values in another file"] = keras_zip(tmp_path / "b.keras", whole)
    for reason, path in bad.items():
        with pytest.raises(L3Error, match=reason):
            bounded.look(path)
    with pytest.raises(L3Error, match="has its values in another file"):
        bounded.look(whole)


@pytest.mark.parametrize(
    "name, data, reason",
    [
        ("a.h5", b"", "contents are not those of a .h5 file"),
        ("a.h5", b"PK\x03\x04", "contents are not those of a .h5 file"),  # a zip, and HDF5 512 bytes on, where libhdf5 looks too
        ("a.keras", b"\x89HDF\r\n\x1a\n", "contents are not those of a .keras file"),
        ("a.keras", b"PK\x03\x04 damaged", "damaged or no Keras file: BadZipFile"),
        ("a.h5", b"\x89HDF", "damaged or no Keras file: OSError"),
    ],
)
def test_what_only_looks_like_a_model_never_reaches_keras(tmp_path, name, data, reason):
    """Damage must not end the look before it has found what leads elsewhere."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises(L3Error, match=reason):
        bounded.look(tmp_path / name)
