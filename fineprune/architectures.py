"""Networks that are trained here, or whose weights are published without their architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tf_keras as keras


def deepid(input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """DeepID (Sun et al., CVPR 2014) as the CSAW-HackML-2020 competition builds it, for (H, W, C) images.

    Layer names are the competition's: its weights are loaded by name.
    """
    import tf_keras as keras
    from tf_keras import layers

    image = layers.Input(input_shape, name="input")
    x = layers.Conv2D(20, (4, 4), activation="relu", name="conv_1")(image)
    x = layers.MaxPooling2D((2, 2), name="pool_1")(x)
    x = layers.Conv2D(40, (3, 3), activation="relu", name="conv_2")(x)
    x = layers.MaxPooling2D((2, 2), name="pool_2")(x)
    x = layers.Conv2D(60, (3, 3), activation="relu", name="conv_3")(x)
    x = layers.MaxPooling2D((2, 2), name="pool_3")(x)
    coarse = layers.Dense(160, name="fc_1")(layers.Flatten(name="flatten_1")(x))
    x = layers.Conv2D(80, (2, 2), activation="relu", name="conv_4")(x)
    fine = layers.Dense(160, name="fc_2")(layers.Flatten(name="flatten_2")(x))
    x = layers.Activation("relu", name="activation_1")(layers.Add(name="add_1")([coarse, fine]))
    scores = layers.Dense(classes, activation="softmax", name="output")(x)
    return keras.Model(image, scores, name="deepid")
