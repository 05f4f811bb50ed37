"""Networks that are trained here, or whose weights are published without their architecture.

What is trained here by default stands in this file, as ever: a kept network is trained anew where the file of its
architecture changes. The families that are published for PyTorch have a file each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tf_keras as keras


def deepid(input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """DeepID (Sun et al., CVPR 2014) as the CSAW-HackML-2020 competition builds it, for (H, W, C) images from 24 px.

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
    # Of images below 32 px less than 2 × 2 pixels are left here.
    x = layers.Conv2D(80, (min(2, x.shape[1]), min(2, x.shape[2])), activation="relu", name="conv_4")(x)
    fine = layers.Dense(160, name="fc_2")(layers.Flatten(name="flatten_2")(x))
    x = layers.Activation("relu", name="activation_1")(layers.Add(name="add_1")([coarse, fine]))
    scores = layers.Dense(classes, activation="softmax", name="output")(x)
    return keras.Model(image, scores, name="deepid")


def resnet(input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """A small residual network (He et al., CVPR 2016) with BatchNorm behind each convolution, for (H, W, C) images.

    A convolution at half the size, blocks of two convolutions with 16, 32 and 64 channels, each at half the size of the
    one before, and a last convolution, `conv_top`, of which the mean is classified: its channels alone feed the
    pooling layer, so that they can be ranked there.
    """
    import tf_keras as keras
    from tf_keras import layers

    def convolved(x: Any, channels: int, size: int, stride: int, name: str, active: bool = True) -> Any:
        x = layers.Conv2D(channels, size, stride, padding="same", use_bias=False, name=f"conv_{name}")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"norm_{name}")(x)
        return layers.ReLU(name=f"relu_{name}")(x) if active else x

    image = layers.Input(input_shape, name="input")
    x = convolved(image, 16, 3, 2, "stem")
    for number, channels in enumerate((16, 32, 64), start=1):
        stride = 1 if number == 1 else 2
        y = convolved(x, channels, 3, stride, f"{number}a")
        y = convolved(y, channels, 3, 1, f"{number}b", active=False)
        if stride > 1:
            x = convolved(x, channels, 1, stride, f"{number}_shortcut", active=False)
        x = layers.ReLU(name=f"relu_{number}")(layers.Add(name=f"add_{number}")([x, y]))
    x = convolved(x, 96, 3, 1, "top")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    scores = layers.Dense(classes, activation="softmax", name="output")(x)
    return keras.Model(image, scores, name="resnet")
