"""Fine-tuning: what was pruned stays zero, what is cached changes nothing, what is held out is not seen."""

from typing import Any

import numpy as np
import pytest
import tf_keras as keras
from nets import residual, shallow, tiny
from samples import pictures, split
from steps import keeping, kept

from fineprune.data.split import Subset, hold_out, in_memory
from fineprune.errors import ConfigError
from fineprune.network.network import Network
from fineprune.training.fit import Recipe, fit, learning_part
from fineprune.training.tuning.clean import CleanFineTuning


def tuning(layers: str = "all", **settings: Any) -> CleanFineTuning:
    return CleanFineTuning(layers, **({"epochs": 2, "batch_size": 8, "learning_rate": 0.01} | settings))


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
@pytest.mark.slow
def test_pruned_channels_and_weights_stay_zero_and_the_rest_learns(optimizer: str) -> None:
    random = np.random.default_rng(0)
    step = keeping({"conv_2": np.array([1, 0, 1, 0, 1, 1.0]), "hidden": random.integers(0, 2, (12, 8)).astype(float)})
    network = Network(tiny())
    tuned = tuning(optimizer=optimizer).tune(network, step, split(pictures(40), 5), 0, "test")
    kernel, bias = tuned.get_layer("conv_2").get_weights()
    assert not kernel[..., [1, 3]].any()
    assert not bias[[1, 3]].any()
    hidden = tuned.get_layer("hidden").get_weights()[0]
    assert not hidden[kept(step)["hidden"] == 0].any()
    before = network.model.get_layer("hidden").get_weights()[0]
    assert np.any((hidden != before) & (kept(step)["hidden"] == 1))


def test_a_pruned_channel_stays_silent_through_batch_normalisation() -> None:
    network, step = Network(residual()), keeping({"inner": np.array([1, 0, 1, 1, 0, 1.0])})
    tuned = tuning().tune(network, step, split(pictures(40), 5), 0, "test")
    part = keras.Model(tuned.inputs, tuned.get_layer("inner_relu").output)
    after = part(pictures(9).astype(np.float32)).numpy()
    assert not after[..., [1, 4]].any()
    assert after[..., [0, 2, 3, 5]].any()


def test_what_is_tuned_is_saved_without_anything_of_ours(tmp_path: Any) -> None:
    step = keeping({"conv_2": np.array([1, 0, 1, 0, 1, 1.0])})
    tuned = tuning().tune(Network(tiny()), step, split(pictures(20), 5), 0, "test")
    assert all(layer.get_config().get("kernel_constraint") is None for layer in tuned.layers)


@pytest.mark.slow
def test_training_dense_layers_on_cached_features_is_training_them_in_place() -> None:
    images = split(pictures(40), 5)
    recipe = Recipe(epochs=2, batch_size=8, learning_rate=0.01, validation=0.1)
    cached, plain = tiny(), tiny()
    rest, features = learning_part(cached, ["hidden", "output"], images)
    assert rest.input_shape == (None, 12)
    fit(rest, features, recipe, "test", seed=0)
    for layer in plain.layers:
        layer.trainable = layer.name in ("hidden", "output")
    fit(plain, images, recipe, "test", seed=0)
    for ours, theirs in zip(cached.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    untouched = tiny().get_layer("conv_2").get_weights()[0]
    assert np.array_equal(cached.get_layer("conv_2").get_weights()[0], untouched)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_net() -> None:
    step, images = keeping({"output": np.eye(5)[np.arange(360) % 5]}), split(pictures(40), 5)
    nets = [tuning().tune(Network(shallow()), step, images, seed, "test") for seed in (0, 0, 1)]
    first, again, other = (net.get_layer("output").get_weights()[0] for net in nets)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_early_stopping_returns_the_best_weights_and_not_the_last() -> None:
    recipe = Recipe(epochs=60, batch_size=8, learning_rate=0.05, validation=0.5, patience=2)
    images = split(pictures(40), 5)
    model, losses = tiny(), []
    record = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: losses.append(logs["val_loss"]))
    fit(model, images, recipe, "test", 0, [record])
    assert min(losses) < losses[-1]
    assert len(losses) < 60
    watched = Subset(images, np.sort(np.random.default_rng(0).permutation(40)[20:]))
    assert model.evaluate(*in_memory(watched), verbose=0)[0] == pytest.approx(min(losses), rel=1e-4)


def test_holding_out_parts_a_split_in_two_by_seed() -> None:
    whole = split(pictures(40), 5)
    rest, held = hold_out(whole, 0.3, seed=1)
    assert (len(rest), len(held)) == (28, 12)
    together = np.concatenate([rest.pixels(0, 28), held.pixels(0, 12)])
    assert {image.tobytes() for image in together} == {image.tobytes() for image in whole.pixels(0, 40)}
    assert hold_out(whole, 0.3, seed=1)[1].digest == held.digest
    assert hold_out(whole, 0.3, seed=2)[1].digest != held.digest


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"layers": "conv"}, "expected finetune.layers to be one of dense, all, got 'conv'"),
        ({"epochs": 0}, "expected finetune.epochs to be a whole number ≥ 1, got 0"),
        ({"learning_rate": -1}, "expected finetune.learning_rate to be a number > 0, got -1"),
        ({"optimizer": "adamax"}, "expected finetune.optimizer to be one of adam, sgd, rmsprop, got 'adamax'"),
        ({"validation": 1}, "expected finetune.validation to be a number ≥ 0 and < 1, got 1"),
        ({"patience": 0}, "expected finetune.patience to be a whole number ≥ 1 or null, got 0"),
        ({"decay": "yes"}, "expected finetune.decay to be true or false, got 'yes'"),
        ({"patience": 3}, "expected validation above 0 where patience is set, got 0"),
    ],
)
def test_settings_that_are_wrong(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        tuning(**wrong)
    assert str(caught.value).startswith(f"{message}: ")
