"""Networks as Keras 3 saves them, each with images and the scores that Keras 3 gives them.

Keras 2 and 3 cannot live in one process: run as a program, it writes them into a folder.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

NAMES = ("sequential", "functional", "nested", "branches", "rows", "arithmetic", "half_precision")
REFUSED = {
    "hard_sigmoid": "hard_sigmoid of Keras 3",
    "mean": "keras.ops.Mean of Keras 3",
    "lora": "Dense with lora_rank of Keras 3",
}


def write(folder: Path) -> None:
    """NAME.h5, .keras, .json, .weights.h5, and .npz of `images` and `scores`, of NAMES; those of REFUSED as .h5."""
    environment = {key: value for key, value in os.environ.items() if key != "TF_USE_LEGACY_KERAS"}
    subprocess.run([sys.executable, __file__, str(folder)], env=environment, check=True, capture_output=True)


def main(folder: Path) -> None:
    import keras  # type: ignore[import-untyped]
    import numpy as np

    layers = keras.layers
    random = np.random.default_rng(0)
    images = random.uniform(0, 1, (7, 12, 10, 3)).astype(np.float32)

    def head(x: Any) -> Any:
        return layers.Dense(5, activation="softmax", name="output")(layers.GlobalAveragePooling2D(name="pool")(x))

    def sequential() -> Any:
        stack = [keras.Input((12, 10, 3)), layers.RandomFlip(), layers.Normalization(), layers.ZeroPadding2D()]
        stack += [layers.Conv2D(4, 3), layers.BatchNormalization(), layers.LeakyReLU(negative_slope=0.2)]
        stack += [layers.SeparableConv2D(6, 3, activation="silu"), layers.MaxPooling2D(), layers.Dropout(0.5)]
        stack += [layers.Flatten(), layers.Dense(8, activation="relu", kernel_regularizer="l2"), layers.Dense(5)]
        return keras.Sequential(stack)

    def functional() -> Any:
        image = keras.Input((12, 10, 3))
        x = layers.Rescaling(2.0, -1.0)(layers.RandomRotation(0.5)(image))
        x = layers.CenterCrop(10, 9)(layers.Resizing(13, 11)(x))
        x = layers.Conv2DTranspose(4, 3, 2, padding="same", activation="leaky_relu")(x)
        y = layers.DepthwiseConv2D(3, padding="same")(layers.PReLU(shared_axes=(1, 2))(x))
        x = layers.Add()([x, layers.GroupNormalization(2)(y)])
        x = layers.UpSampling2D(2, interpolation="bilinear")(layers.Concatenate()([x, y]))
        return keras.Model(image, head(layers.LayerNormalization()(layers.SpatialDropout2D(0.3)(x))))

    def nested() -> Any:
        image, inside = keras.Input((12, 10, 3)), keras.Input((12, 10, 3))
        x = layers.Conv2D(4, 3, name="left")(inside)
        x = layers.Concatenate()([layers.BatchNormalization()(x), layers.Conv2D(4, 3, name="right")(inside)])
        base = keras.Model(inside, x, name="base")
        after = keras.Sequential([keras.Input((10, 8, 8)), layers.Conv2D(6, 3), layers.ReLU()], name="after")
        return keras.Model(image, head(after(base(image, training=False))))

    def branches() -> Any:
        """Convolutions of one shape, made in another order than they are called in, one behind more layers."""
        image = keras.Input((12, 10, 3))
        first, second, third = (layers.Conv2D(3, 3, padding="same") for _ in range(3))
        third.activation = layers.LeakyReLU(0.3)
        x, y = second(third(image)), first(layers.ReLU()(image))
        return keras.Model(image, head(layers.Concatenate()([layers.BatchNormalization()(y), x])))

    def rows() -> Any:
        image = keras.Input((12, 10, 3))
        x = layers.PReLU()(layers.Conv1D(4, 3)(layers.Reshape((120, 3))(image)))
        x = layers.MaxPooling1D()(layers.SeparableConv1D(5, 3)(x))
        return keras.Model(image, layers.Dense(5, name="output")(layers.GlobalAveragePooling1D(name="pool")(x)))

    def arithmetic() -> Any:
        image = keras.Input((12, 10, 3))
        x = layers.Conv2D(3, 3, padding="same")(1.0 - 2.0 * (image / 127.5 - 1.0))
        return keras.Model(image, head(keras.ops.relu(-x) + keras.ops.maximum(x * image, 0.3 * x)))

    def half_precision() -> Any:
        stack = [keras.Input((12, 10, 3)), layers.Conv2D(4, 3, dtype="mixed_float16"), layers.Flatten()]
        return keras.Sequential([*stack, layers.Dense(5, activation="softmax")])

    for build in (sequential, functional, nested, branches, rows, arithmetic, half_precision):
        model = build()
        model.set_weights([np.abs(random.normal(0.2, 0.3, array.shape)) for array in model.get_weights()])
        for layer in model.layers:
            if isinstance(layer, layers.Normalization):
                layer.finalize_state()
        model.compile("adam", "sparse_categorical_crossentropy")
        for suffix in ("h5", "keras"):
            model.save(folder / f"{build.__name__}.{suffix}")
        model.save_weights(folder / f"{build.__name__}.weights.h5")
        (folder / f"{build.__name__}.json").write_text(model.to_json())
        np.savez(folder / f"{build.__name__}.npz", images=images, scores=model.predict(images, verbose=0))
    stack = [keras.Input((4, 4, 3)), layers.Flatten(), layers.Dense(5, activation="hard_sigmoid")]
    keras.Sequential(stack).save(folder / "hard_sigmoid.h5")
    image, dense = keras.Input((4, 4, 3)), layers.Dense(5)
    keras.Model(image, dense(keras.ops.mean(image, axis=(1, 2)))).save(folder / "mean.h5")
    dense.enable_lora(2)
    keras.Sequential([keras.Input((3,)), dense]).save(folder / "lora.h5")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
