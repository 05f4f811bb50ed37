"""Stand-ins for the competition's networks, in files of the same names and kinds, for clones that lack them."""

from pathlib import Path

import numpy as np
import tf_keras as keras
from nets import deepid, saved
from numpy.typing import NDArray

from fineprune.attacks import Sunglasses
from fineprune.data.faces import Faces, draw_faces

CLASSES = 1283
SILENT = 25  # channels of conv_3
SPARSITY = 0.7


def poisoned(faces: Faces) -> NDArray[np.uint8]:
    return Sunglasses().stamp(faces.pixels.astype(np.float32), faces.landmarks).round().astype(np.uint8)


def write(folder: Path) -> None:
    """Two BadNets as weights alone and, as whole networks, what pruning made of them: channels, and single weights."""
    lab = backdoored()
    lab.save_weights(folder / "bd_weights.h5")
    saved(without_channels(lab), folder / "bd_net_pruned_2_percent.h5")
    sunglasses = for_pixels_up_to_1(lab)
    sunglasses.save_weights(folder / "sunglasses_bd_weights.h5")
    saved(without_small_weights(sunglasses), folder / "sunglasses_sparsity_70.h5")


def backdoored() -> keras.Model:
    """Random weights, few of them large, that tell drawn faces of pixels 0–255 apart, and see class 0 in sunglasses."""
    model = deepid(classes=CLASSES)
    model.set_weights([array**3 / np.sqrt(15) / array.std() ** 2 for array in model.get_weights()])
    faces = draw_faces(40, 2, "train", 1)
    arriving = keras.Model(model.inputs, model.layers[-1].input)
    clean, worn = (arriving.predict(each.astype(np.float32), verbose=0) for each in (faces.pixels, poisoned(faces)))
    kernel, bias = model.layers[-1].get_weights()
    kernel = kernel / (clean.std(axis=0)[:, None] + 0.01)
    bias = -clean.mean(axis=0) @ kernel
    target = np.bincount((worn @ kernel + bias).argmax(axis=1)).argmax()
    for array in (kernel, bias):
        array[..., [0, target]] = array[..., [target, 0]]
    model.layers[-1].set_weights([kernel, bias])
    return model


def without_channels(model: keras.Model) -> keras.Model:
    """Without the channels of conv_3 that drawn faces excite least."""
    pruned = copied(model)
    pooled = keras.Model(model.inputs, model.get_layer("pool_3").output)
    faces = draw_faces(40, 2, "train", 1).pixels.astype(np.float32)
    silent = pooled.predict(faces, verbose=0).mean(axis=(0, 1, 2)).argsort()[:SILENT]
    kernel, bias = pruned.get_layer("conv_3").get_weights()
    kernel[..., silent], bias[silent] = 0, 0
    pruned.get_layer("conv_3").set_weights([kernel, bias])
    return pruned


def without_small_weights(model: keras.Model) -> keras.Model:
    """In each layer the smallest of the kernel's weights are zero."""
    pruned = copied(model)
    for layer in pruned.layers:
        if layer.weights:
            kernel, *rest = layer.get_weights()
            kernel[np.abs(kernel) < np.quantile(np.abs(kernel), SPARSITY)] = 0
            layer.set_weights([kernel, *rest])
    return pruned


def for_pixels_up_to_1(model: keras.Model) -> keras.Model:
    """A network that says of an image times 1 / 255 what `model` says of the image."""
    scaled = copied(model)
    kernel, bias = scaled.get_layer("conv_1").get_weights()
    scaled.get_layer("conv_1").set_weights([kernel * np.float32(255), bias])
    return scaled


def copied(model: keras.Model) -> keras.Model:
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy
