"""Files that attack who opens them, each made in a moment, and the beginning of what is to be said of it.

Run as a program, it opens files, and prints what was said of each, and how much memory that took.
"""

import json
import os
import resource
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Make = Callable[[Path], None]
MODELS: dict[str, tuple[Make, str]] = {}
IMAGES: dict[str, tuple[Make, str]] = {}


def model(said: str) -> Callable[[Make], Make]:
    return lambda make: MODELS.setdefault(make.__name__, (make, said))[0]


def images(said: str) -> Callable[[Make], Make]:
    return lambda make: IMAGES.setdefault(make.__name__, (make, said))[0]


# Networks, described by JSON.


def layer(name: str, kind: str, after: list[str], **settings: Any) -> dict[str, Any]:
    nodes = [[[source, 0, 0, {}] for source in after]] if after else []
    return {"class_name": kind, "name": name, "config": {"name": name, **settings}, "inbound_nodes": nodes}


def chain(*layers: tuple[str, dict[str, Any]], shape: tuple[int, ...] = (4, 4, 3)) -> dict[str, Any]:
    """Layers one after the other, then a dense one of three classes."""
    nodes = [layer("image", "InputLayer", [], batch_input_shape=[None, *shape], dtype="float32")]
    for kind, settings in (*layers, ("GlobalMaxPooling2D", {}), ("Dense", {"units": 3})):
        nodes.append(layer(f"layer_{len(nodes)}", kind, [nodes[-1]["name"]], **settings))
    return network(nodes)


def network(layers: list[dict[str, Any]], name: str = "net") -> dict[str, Any]:
    ends = {"input_layers": [[layers[0]["name"], 0, 0]], "output_layers": [[layers[-1]["name"], 0, 0]]}
    return {"class_name": "Functional", "config": {"name": name, "layers": layers, **ends}}


def write(path: Path, config: Any) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = config if isinstance(config, str | bytes) else json.dumps(config)
        file.create_group("model_weights")


TOO_LARGE = "expected at most {} in FILE, got "
PARAMETERS = TOO_LARGE.format("536,870,912 parameters")
VALUES = TOO_LARGE.format("8,388,608 values an image in a tensor")
UNBUILT = "expected an architecture that Keras 2 can build in FILE, got: "


@model("expected 'model_config' in FILE to take at most 8,388,608 bytes, got 100,000,000")
def config_of_100_megabytes(path: Path) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs["model_config"] = np.bytes_(b"[" * 100_000_000)


@model("expected an architecture of at most 8,388,608 bytes in FILE, got 100,000,000")
def config_of_100_megabytes_told_by_nothing(path: Path) -> None:
    write(path, "[" * 100_000_000)


@model("expected the architecture in FILE to be JSON, got: ")
def config_that_repeats_a_large_string(path: Path) -> None:
    """One string in the file that thousands of entries of an attribute lead to."""
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs.create("model_config", ["x" * 10_000] * 1000, dtype=h5py.string_dtype())


@model("expected an architecture at most 64 levels deep in FILE, got more")
def deep_config(path: Path) -> None:
    write(path, '{"config":' + "[" * 400 + "]" * 400 + "}")


@model("expected the architecture in FILE to be that of a network, got [[]]")
def config_of_another_kind(path: Path) -> None:
    write(path, [[]])


@model(PARAMETERS)
def billion_units(path: Path) -> None:
    write(path, chain(("Dense", {"units": 10**9})))


@model(UNBUILT)
def more_units_than_numbers(path: Path) -> None:
    write(path, chain(("Dense", {"units": 10**30})))


@model("expected 'layer_1' in FILE, /model_weights, got nothing")
def orthogonal_initialiser_that_takes_hours(path: Path) -> None:
    large = {"filters": 20_000, "kernel_size": [1, 1], "kernel_initializer": {"class_name": "Orthogonal", "config": {}}}
    write(path, chain(("Conv2D", large), ("Conv2D", large), shape=(1, 1, 3)))


@model(VALUES)
def huge_images(path: Path) -> None:
    write(path, chain(shape=(10**6, 10**6, 3)))


@model(VALUES)
def upsampling(path: Path) -> None:
    write(path, chain(("UpSampling2D", {"size": [10**5, 10**5]})))


@model(VALUES)
def resizing(path: Path) -> None:
    write(path, chain(("Resizing", {"height": 10**5, "width": 10**5})))


@model(VALUES)
def cropping_to_more_than_there_is(path: Path) -> None:
    write(path, chain(("CenterCrop", {"height": 10**5, "width": 10**5})))


@model(VALUES)
def dilation_that_cuts_an_image_into_millions(path: Path) -> None:
    far = {"kernel_size": [2, 2], "padding": "same", "dilation_rate": [2000, 2000]}
    write(path, chain(("DepthwiseConv2D", far)))


@model("expected layers that treat each image by itself in FILE, got ")
def images_joined_to_ever_larger_batches(path: Path) -> None:
    layers = chain()["config"]["layers"][:1]
    for number in range(40):
        layers.append(layer(f"join_{number}", "Concatenate", [layers[-1]["name"]] * 2, axis=0))
    layers += [layer("pool", "GlobalMaxPooling2D", [layers[-1]["name"]]), layer("scores", "Dense", ["pool"], units=3)]
    write(path, network(layers))


@model(TOO_LARGE.format("274,877,906,944 multiplications an image"))
def transposed_convolution_of_everything(path: Path) -> None:
    everywhere = {"filters": 3, "kernel_size": [1000, 1000], "padding": "same"}
    write(path, chain(("Conv2DTranspose", everywhere), shape=(1000, 1000, 3)))


@model(VALUES)
def padding(path: Path) -> None:
    write(path, chain(("ZeroPadding2D", {"padding": [[0, 10**8], [0, 10]]})))


@model(VALUES)
def reshaping_to_one_long_row_and_padding_causally(path: Path) -> None:
    far = {"filters": 3, "kernel_size": 2, "padding": "causal", "dilation_rate": 10**7}
    rows: list[tuple[str, dict[str, Any]]] = [
        ("Reshape", {"target_shape": [16, 3]}),
        ("Conv1D", far),
        ("Reshape", {"target_shape": [4, 4, 3]}),
    ]
    write(path, chain(*rows))


@model(VALUES)
def concatenated_with_itself_again_and_again(path: Path) -> None:
    layers = chain()["config"]["layers"][:1]
    for number in range(8):
        layers.append(layer(f"join_{number}", "Concatenate", [layers[-1]["name"]] * 8))
    layers += [layer("pool", "GlobalMaxPooling2D", [layers[-1]["name"]]), layer("scores", "Dense", ["pool"], units=3)]
    write(path, network(layers))


@model(TOO_LARGE.format("274,877,906,944 multiplications an image"))
def pooling_over_everything_everywhere(path: Path) -> None:
    everywhere = {"pool_size": [1000, 1000], "strides": [1, 1], "padding": "same"}
    write(path, chain(("MaxPooling2D", everywhere), shape=(1000, 1000, 3)))


@model(TOO_LARGE.format("4,096 calls of layers"))
def hundred_thousand_layers(path: Path) -> None:
    layers = [{"class_name": "ReLU", "config": {}}] * 100_000
    write(path, {"class_name": "Sequential", "config": {"name": "net", "layers": layers}})


@model(TOO_LARGE.format("4,096 calls of layers"))
def networks_that_call_networks_twice(path: Path) -> None:
    inner = chain()
    inner["config"]["layers"] = [inner["config"]["layers"][0], layer("relu", "ReLU", ["image"])]
    inner["config"]["output_layers"] = [["relu", 0, 0]]
    for level in range(13):
        twice = {**inner, "name": f"level_{level}", "inbound_nodes": [[["image", 0, 0, {}]], [["image", 0, 0, {}]]]}
        inner = network([layer("image", "InputLayer", [], batch_input_shape=[None, 4, 4, 3]), twice], f"level_{level}")
    write(path, inner)


@model(UNBUILT + "layers that wait for each other, or for none")
def layers_that_wait_for_each_other(path: Path) -> None:
    first = layer("image", "InputLayer", [], batch_input_shape=[None, 4, 4, 3])
    write(path, network([first, layer("one", "ReLU", ["two"]), layer("two", "ReLU", ["one"])]))


@model(UNBUILT + "layers that wait for each other, or for none")
def layer_that_waits_for_a_call_that_never_comes(path: Path) -> None:
    config = chain()
    config["config"]["layers"][1]["inbound_nodes"] = [[["image", 0, 0, {}]]]
    config["config"]["layers"][2]["inbound_nodes"] = [[["layer_1", 7, 0, {}]]]
    write(path, config)


@model("expected at most 16,384 inputs of layers in FILE, got 100,002")
def layer_with_a_hundred_thousand_inputs(path: Path) -> None:
    layers = [*chain()["config"]["layers"][:1], layer("sum", "Add", ["image"] * 100_000)]
    layers += [layer("pool", "GlobalMaxPooling2D", ["sum"]), layer("scores", "Dense", ["pool"], units=3)]
    write(path, network(layers))


APART = "expected layers that treat each image by itself in FILE, got "


def called(inner: dict[str, Any], times: int, values: int) -> dict[str, Any]:
    """A network that calls `inner`, a layer or a network, on images of one pixel, again and again."""
    name, first = (
        inner["config"]["name"],
        int("layers" in inner["config"]),
    )  # the call that made a network is the one at 0
    nodes = [[["image", 0, 0, {}]], *([[name, first + number, 0, {}]] for number in range(times - 1))]
    pool = layer("pool", "GlobalMaxPooling2D", [])
    pool["inbound_nodes"] = [[[name, first + times - 1, 0, {}]]]
    image = layer("image", "InputLayer", [], batch_input_shape=[None, 1, 1, values])
    again, scores = {**inner, "name": name, "inbound_nodes": nodes}, layer("d", "Dense", ["pool"], units=3)
    return network([image, again, pool, scores])


@model("expected at most 16,384 inputs of layers in FILE, got 200,202")
def inputs_in_a_network_that_is_called_again_and_again(path: Path) -> None:
    image = layer("pixel", "InputLayer", [], batch_input_shape=[None, 1, 1, 3])
    write(path, called(network([image, layer("add", "Add", ["pixel"] * 1000)], "inner"), 200, 3))


@model("expected at most 4,194,304 settings of layers in FILE, got ")
def constants_that_are_made_at_each_call(path: Path) -> None:
    write(path, called(layer("scaled", "Rescaling", [], scale=[0.5] * 10_000, offset=0.0), 1000, 10_000))


@model("expected at most")
def many_images_that_say_they_are_one(path: Path) -> None:
    config = chain(("UpSampling2D", {"size": [2000, 2000]}))
    config["config"]["layers"][0]["config"] = {"name": "image", "input_shape": [4, 4, 3], "batch_size": 1}
    write(path, config)


@model(APART)
def constant_that_makes_two_images_of_one(path: Path) -> None:
    write(path, chain(("Rescaling", {"scale": [[[[1.0]]], [[[1.0]]]], "offset": 0.0})))


@model(APART)
def scores_that_depend_on_the_other_images(path: Path) -> None:
    write(path, chain(("Softmax", {"axis": 0})))


@model(APART)
def norms_over_all_images(path: Path) -> None:
    write(path, chain(("UnitNormalization", {"axis": [-4]})))


@model(TOO_LARGE.format("274,877,906,944 multiplications an image"))
def dense_layer_on_every_pixel(path: Path) -> None:
    wide = [("Dense", {"units": 1000})] * 40
    write(path, chain(*wide, shape=(90, 90, 3)))


@model("expected layers that are called as in inference in FILE, got one with training=True")
def normalisation_that_always_trains(path: Path) -> None:
    config = chain(("BatchNormalization", {}))
    config["config"]["layers"][1]["inbound_nodes"][0][0][3] = {"training": 7}
    write(path, config)


@model("expected batch normalisations over channels, the last axis, in FILE, got 'layer_1' over axis [1]")
def normalisation_of_rows(path: Path) -> None:
    write(path, chain(("BatchNormalization", {"axis": [1]})))


@model("expected a network with weights in FILE, got one without")
def network_without_weights(path: Path) -> None:
    write(path, network(chain()["config"]["layers"][:-1]))


@model("expected layers that compute in floats in FILE, got one that does in complex64")
def complex_layer(path: Path) -> None:
    write(path, chain(("Conv2D", {"filters": 2, "kernel_size": [1, 1], "dtype": "complex64"})))


@model("expected the architecture in FILE to be JSON, got: 1e+300, which single precision cannot hold")
def penalty_that_becomes_infinite(path: Path) -> None:
    penalty = {"class_name": "L1L2", "config": {"l1": 1e300}}
    write(path, chain(("Conv2D", {"filters": 2, "kernel_size": [1, 1], "kernel_regularizer": penalty})))


@model("expected only layers that can be read in FILE, got 'PReLU as an activation'")
def activation_with_weights(path: Path) -> None:
    slope = {"class_name": "PReLU", "config": {"name": "slope"}}
    write(path, chain(("Conv2D", {"filters": 2, "kernel_size": [1, 1], "activation": slope})))


@model("expected a network in FILE that runs on this machine, got: ")
def network_that_cannot_run(path: Path) -> None:
    """TensorFlow convolves depthwise by the same step to either side alone."""
    write(path, chain(("DepthwiseConv2D", {"kernel_size": [1, 1], "strides": [1, 2]}), shape=(4, 4, 4)))
    with h5py.File(path, "r+") as file:
        for name, shape in {"layer_1": (1, 1, 4, 1), "layer_3": (4, 3)}.items():
            group = file["model_weights"].create_group(name)
            group["kernel"], group["bias"] = np.ones(shape, np.float32), np.ones(shape[-1] if name == "layer_3" else 4)
            group.attrs["weight_names"] = [b"kernel", b"bias"]


@model("expected a network whose channels come first in FILE to be of layers that can be turned, got 'layer_2' of type")
def channels_that_come_first_of_axes_that_nobody_has(path: Path) -> None:
    first = {"filters": 2, "kernel_size": [1, 1], "data_format": "channels_first"}
    write(path, chain(("Conv2D", first), ("LayerNormalization", {"axis": [1, 2]}), shape=(4, 4, 4)))


@model(UNBUILT)
def sparse_images(path: Path) -> None:
    config = chain()
    config["config"]["layers"][0]["config"]["sparse"] = True
    write(path, config)


# Weights, all at the place of the first layer's kernel.


def weights(path: Path, put: Callable[[h5py.Group], None]) -> None:
    write(path, chain(("Dense", {"units": 5, "use_bias": False})))
    with h5py.File(path, "r+") as file:
        group = file["model_weights"].create_group("layer_1")
        group.attrs["weight_names"] = [b"kernel"]
        put(group)


def typed(
    name: str, dtype: Any, said: str = "expected 'kernel' in FILE, /model_weights/layer_1 to hold numbers, got"
) -> None:
    def make(path: Path) -> None:
        weights(path, lambda group: group.create_dataset("kernel", (3, 5), dtype))

    MODELS[f"weights_of_{name}"] = (make, said)


typed("strings", "S8")
typed("text", h5py.string_dtype())
typed("complex_numbers", np.complex64)
typed("pairs", np.dtype([("a", "f4"), ("b", "f4")]))
typed("lists", h5py.vlen_dtype(np.float32))
typed("references", h5py.ref_dtype)
typed("regions", h5py.regionref_dtype)
typed("opaque_megabytes", h5py.opaque_dtype(np.dtype("V1000000")))
typed("long_doubles", np.longdouble)
typed("arrays", np.dtype(("f4", (1000, 1000))))


@model("expected 'kernel' in FILE, /model_weights/layer_1 to store the 4,000,000,000,000 bytes that it declares, got 0")
def weights_of_terabytes_that_are_not_there(path: Path) -> None:
    weights(path, lambda group: group.create_dataset("kernel", (10**6, 10**6), np.float32, chunks=(1000, 1000)))


@model("expected 'kernel' in FILE, /model_weights/layer_1, got kernel: is it")
def weights_that_link_to_themselves(path: Path) -> None:
    weights(path, lambda group: group.__setitem__("kernel", h5py.SoftLink("/model_weights/layer_1/kernel")))


@model("expected weights of shapes [(3, 5)] for layer 'layer_1' in FILE, got [(3, 6)]")
def weights_that_do_not_fit(path: Path) -> None:
    weights(path, lambda group: group.__setitem__("kernel", np.ones((3, 6), np.float32)))


@model("expected 'weight_names' in FILE to take at most")
def million_names_of_weights(path: Path) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs["model_config"] = json.dumps(chain(("Dense", {"units": 5})))
        file.create_group("model_weights/layer_1").attrs["weight_names"] = np.full(2 * 10**6, b"kernel")


@model("expected FILE to be readable in 10 seconds and 1,073,741,824 bytes of memory, got 'CPU time limit exceeded'")
def text_of_no_length_over_which_hdf5_loops(path: Path) -> None:
    """HDF5 walks over objects in a heap by their lengths: the first is said to be free room, of none."""
    write(path, chain())
    stored = bytearray(path.read_bytes())
    first = stored.index(b"GCOL") + 16
    stored[first : first + 16] = bytes(16)
    path.write_bytes(stored)


@model("expected FILE to be readable, got damage: ")
def free_room_that_leads_to_itself(path: Path) -> None:
    """HDF5 takes memory for each piece of free room in a heap of names, and for the next that it leads to."""
    write(path, chain())
    stored = bytearray(path.read_bytes())
    free, names = struct.unpack_from("<QQ", stored, stored.index(b"HEAP") + 16)
    struct.pack_into("<QQ", stored, names + free, free, 16)
    path.write_bytes(stored)


@model("expected finite weights in FILE, got NaN or infinity in layer 'layer/1'")
def weights_that_are_no_numbers_behind_a_slash(path: Path) -> None:
    write(path, chain(("Dense", {"units": 5, "use_bias": False})))
    with h5py.File(path, "r+") as file:
        group = file["model_weights"].create_group("layer/1")
        group.attrs["weight_names"] = [b"kernel"]
        group["kernel"] = np.full((3, 5), np.nan)


@model("expected finite weights in FILE, got NaN or infinity in layer 'layer_1'")
def weights_too_large_for_single_precision(path: Path) -> None:
    weights(path, lambda group: group.__setitem__("kernel", np.full((3, 5), 1e300)))


def filtered(stored: h5py.Group, name: str, shape: tuple[int, ...], *filters: int) -> None:
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_chunk(shape)
    for number in filters:
        made.set_filter(number, h5py.h5z.FLAG_OPTIONAL)
    space = h5py.h5s.create_simple(shape)
    h5py.h5d.create(stored.id, name.encode(), h5py.h5t.NATIVE_FLOAT, space, made)


FILTERED = (
    "expected 'kernel' in FILE, /model_weights/layer_1 to be plain, or compressed once by gzip or lzf, got filters "
)


@model(FILTERED + "[32015]")
def weights_that_a_plug_in_unpacks(path: Path) -> None:
    weights(path, lambda group: filtered(group, "kernel", (3, 5), 32015))


@model(FILTERED + "[1, 1, 1]")
def weights_packed_three_times(path: Path) -> None:
    weights(path, lambda group: filtered(group, "kernel", (3, 5), 1, 1, 1))


# Chunks that unpack to less than they should: HDF5 hands out what lies behind them in memory.

ONES = b"\x01" * 16
SHORT: dict[str, tuple[dict[str, Any], bytes, int]] = {
    "gzip": ({"compression": "gzip"}, zlib.compress(ONES), 0),
    "gzip_that_was_left_out": ({"compression": "gzip"}, ONES, 1),
    "gzip_without_its_end": ({"compression": "gzip"}, zlib.compress(bytes(4096))[:-5], 0),
    "lzf": ({"compression": "lzf"}, bytes([15]) + ONES, 0),
    "lzf_that_was_left_out": ({"compression": "lzf"}, ONES, 1),
    "shuffle": ({"shuffle": True}, ONES, 0),
    "shuffle_and_gzip_left_out": ({"compression": "gzip", "shuffle": True}, ONES, 3),
    "checksum_left_out": ({"fletcher32": True}, ONES, 1),
}


def short(group: h5py.Group, name: str, shape: tuple[int, ...], how: str) -> None:
    filters, stored, mask = SHORT[how]
    chunked = group.create_dataset(name, shape, np.uint8, chunks=(1, *shape[1:]), **filters)
    for row in range(shape[0]):
        chunked.id.write_direct_chunk((row, *(0 for _ in shape[1:])), stored, filter_mask=mask)


def shortened(how: str) -> None:
    def make_images(path: Path) -> None:
        with h5py.File(path, "w") as file:
            short(file, "data", (4, 1, 64, 64), how)
            file["label"] = np.zeros(4)

    IMAGES[f"short_chunks_of_{how}"] = make_images, "expected 'data' in FILE, / "
    MODELS[f"short_chunks_of_{how}"] = (
        lambda path: weights(path, lambda group: short(group, "kernel", (3, 4096), how)),
        "expected 'kernel' in FILE, /model_weights/layer_1 ",
    )


for how in SHORT:
    shortened(how)


# Images.


@images("expected 'label' in FILE to hold whole numbers from 0, got 20000000 in row 0: give classes by number, at most")
def label_that_makes_millions_of_classes(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros((2, 3, 4, 4), np.uint8)
        file["label"] = [20_000_000, 0]


def pictures(path: Path, count: int, dtype: Any = np.uint8, **labels: Any) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("data", (count, 3, 4, 4), np.uint8, chunks=(min(count, 1000), 3, 4, 4))
        file.create_dataset("label", (count,), dtype, **labels)


@images("expected 'data' in FILE, / to store the 48,000,000,000,000 bytes that it declares, got 0")
def terabytes_that_are_not_there(path: Path) -> None:
    pictures(path, 10**12, chunks=(1000,))


@images("expected 'label' in FILE, / to store the 1,000,000,000,000 bytes that it declares, got 0")
def labels_of_terabytes(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros((2, 3, 4, 4), np.uint8)
        file.create_dataset("label", (10**12,), np.uint8, chunks=(1000,))


@images("expected 'data' in FILE, / in chunks of at most 134,217,728 bytes, got 3,000,000,000")
def one_chunk_of_gigabytes(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("data", (1, 3, 10**5, 10**4), np.uint8, chunks=(1, 3, 10**5, 10**4), compression="gzip")
        file["label"] = [0]


@images("expected images of at most 2,097,152 values in FILE, got (1000, 1000, 3)")
def large_images(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("data", (1, 3, 1000, 1000), np.uint8, compression="gzip", data=np.zeros((1, 3, 1000, 1000)))
        file["label"] = [0]


def packed(file: h5py.File, name: str, shape: tuple[int, ...], chunk: tuple[int, ...], content: bytes) -> None:
    """A data set all of whose chunks hold `content`, packed."""
    stored = file.create_dataset(name, shape, np.uint8, chunks=chunk, compression="gzip")
    squeezed = zlib.compress(content, 1)
    for start in range(0, shape[0], chunk[0]):
        stored.id.write_direct_chunk((start, *(0 for _ in shape[1:])), squeezed)


@images("expected ")
def chunk_that_unpacks_to_more_than_it_should(path: Path) -> None:
    with h5py.File(path, "w") as file:
        packed(file, "data", (8, 3, 4, 4), (8, 3, 4, 4), bytes(1_300_000_000))
        file["label"] = np.zeros(8)


@images("expected at most 33,554,432 images in FILE, got 60,000,000")
def labels_packed_a_thousandfold(path: Path) -> None:
    with h5py.File(path, "w") as file:
        packed(file, "data", (60_000_000, 1, 1, 2), (30_000_000, 1, 1, 2), bytes(60_000_000))
        packed(file, "label", (60_000_000,), (30_000_000,), bytes(30_000_000))


@images("expected 'data' in FILE, / to be a data set, got a group of data: set data.images and data.labels to ")
def group_in_the_place_of_data(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_group("data")["data"] = h5py.SoftLink("/data")


@images("expected 'data' in FILE, / to be a data set held in the file itself, got something else")
def type_in_the_place_of_data(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["data"] = np.dtype("f4")


# What is no file at all.

NO_FILE = " at FILE, got a folder, pipe or device: set the path of a file"


@model("expected a network" + NO_FILE)
@images("expected the data.clean_test images" + NO_FILE)
def pipe(path: Path) -> None:
    os.mkfifo(path)


@model("expected a network" + NO_FILE)
@images("expected the data.clean_test images" + NO_FILE)
def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@model("expected a network at FILE, got no such file")
@images("expected the data.clean_test images at FILE, got no such file")
def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def main(folder: Path) -> None:
    """Open every file; print for each its name, what was said, seconds, and megabytes taken by this process."""
    from fineprune.data.files import H5Split
    from fineprune.data.scaling import Scaling
    from fineprune.errors import FinepruneError
    from fineprune.untrusted.network_files import load_model

    load_model(folder / "model.good.h5")
    for path in sorted(folder.iterdir(), key=str):
        start, before = sum(os.times()[:4]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        said = ""
        try:
            load_model(path) if path.name.startswith("model.") else H5Split(path, Scaling(1.0), "data.clean_test")
        except FinepruneError as error:
            said = str(error).replace(str(path), "FILE")
        taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(json.dumps([path.name, said, sum(os.times()[:4]) - start, taken / 1024]), flush=True)
    vetting = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps(["vetting", "", 0, vetting]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
