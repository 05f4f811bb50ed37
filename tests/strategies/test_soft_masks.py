"""Methods that leave their masks soft: AWM, NFT and IMS."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from samples import pictures, split

from fineprune.data.scaling import Scaling
from fineprune.data.split import ArraySplit
from fineprune.errors import NotApplicable
from fineprune.network.network import Network
from fineprune.network.step import Mask, Scale
from fineprune.strategies.masks import ims
from fineprune.strategies.masks.awm import AdversarialWeightMasking
from fineprune.strategies.masks.ims import InvertibleMasks, multiplier
from fineprune.strategies.masks.nft import NeuralMaskFineTuning
from fineprune.testing import NETWORKS
from fineprune.training.losses import agree, disagree


def network(name: str = "normalised") -> Network:
    return Network(NETWORKS[name]())


def flat(masks: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([mask.ravel() for mask in masks.values()])


class Learned(NeuralMaskFineTuning):
    def masks(self, network: Network, clean: object) -> dict[str, np.ndarray]:
        return {"norm_1": np.array([0, 0.2, 0.5, 1.0]), "norm_2": np.ones(6)}


def test_the_first_step_is_the_soft_mask_and_further_ones_prune_what_is_no_higher() -> None:
    strategy = Learned(thresholds=(0.5, 0.0, 0.2))
    steps = list(strategy.steps(network(), split(pictures(4), 5)))
    assert [step.edits[0].factors.tolist() for step in steps] == [[0, 0.2, 0.5, 1], [0, 0, 0.5, 1], [0, 0, 0, 1]]
    assert [(step.amount, step.pruned, step.amount_name) for step in steps] == [
        (0.0, 1, "threshold"),
        (0.2, 2, "threshold"),
        (0.5, 3, "threshold"),
    ]
    assert all(isinstance(edit, Scale) for step in steps for edit in step.edits)


def gradient(masks: np.ndarray, images: np.ndarray, labels: np.ndarray, of_images: bool = False) -> np.ndarray:
    """Of the cross-entropy by the masks of the convolutions' kernels, or by the images, all moved alike."""
    twin = network().masked(Mask)
    masks, shift = tf.constant(masks, tf.float32), tf.zeros((1, *images.shape[1:]))
    with tf.GradientTape() as tape:
        tape.watch([masks, shift])
        logits = twin(tf.constant(images) + shift, masks)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    return tape.gradient(loss, shift if of_images else masks).numpy()


@pytest.mark.slow
def test_awm_learns_against_a_perturbation_of_bounded_norm() -> None:
    """By hand: one step up by the images from zero, cut to the norm, then Adam's first step, which is of its rate."""
    clean = split(pictures(24), 5)
    images = clean.inputs(0, 24)
    settings = {"rounds": 1, "epochs": 1, "batch_size": 24, "tau": 3.0, "alpha": 0.0, "perturbing_rate": 1000.0}
    ours = flat(AdversarialWeightMasking(**settings).masks(network(), clean))
    one, white = np.ones(len(ours)), clean.white
    noise = 1000 * white * gradient(one, images, clean.labels, of_images=True)
    noise *= min(1, 3 / np.abs(noise).sum())
    slope = gradient(one, np.clip(images + white * noise, 0, white), clean.labels)
    sure = np.abs(slope) > 1e-5
    assert sure.mean() > 0.5
    assert ours[sure] == pytest.approx(np.clip(1 - 0.01 * np.sign(slope[sure]), 0, 1), abs=1e-4)
    assert not np.array_equal(np.sign(slope[sure]), np.sign(gradient(one, images, clean.labels)[sure]))


def test_awm_masks_convolutions_alone() -> None:
    masks = AdversarialWeightMasking(rounds=1, epochs=1, batch_size=24).masks(network("plain"), split(pictures(24), 5))
    assert {layer: mask.shape for layer, mask in masks.items()} == {"conv_1": (3, 3, 3, 4), "conv_2": (2, 2, 4, 6)}


def test_the_deeper_a_layer_the_lower_nft_lets_its_masks_go() -> None:
    settings = {"epochs": 3, "batch_size": 24, "learning_rate": 50.0, "last_learning_rate": 50.0, "penalty": 1e-9}
    masks = NeuralMaskFineTuning(**settings).masks(network(), split(pictures(24), 5))
    assert masks["norm_1"].min() == pytest.approx(0.8)
    assert masks["norm_2"].min() == pytest.approx(0.8 * np.exp(-0.5))
    assert flat(masks).max() == 1


def test_a_heavy_penalty_keeps_nft_near_the_untouched_network() -> None:
    masks = flat(NeuralMaskFineTuning(epochs=3, batch_size=24, penalty=1e6).masks(network(), split(pictures(24), 5)))
    assert masks == pytest.approx(1)


def test_nft_needs_batch_normalisation() -> None:
    with pytest.raises(NotApplicable, match=r"^expected a network with batch normalisation to mask"):
        NeuralMaskFineTuning().masks(network("plain"), split(pictures(24), 5))


def test_ims_multiplies_by_a_steep_sigmoid_of_the_mask_where_the_filter_is_not_shared() -> None:
    masks = tf.constant([0.5, 0.5, 1.0, 0.0, 0.0])
    shared = tf.constant([0.0, 0.2, 0.0, 0.0, 1.0])
    low = 1 / (1 + np.exp(10))  # of the sigmoid, at 20 · (0 − ½)
    expected = [0.5, 0.5 + 0.2 * 0.5, 1 - low, low, 1]
    assert multiplier(masks, shared, 20).numpy() == pytest.approx(expected, abs=1e-6)
    assert multiplier(1 - masks, shared, 20).numpy() == pytest.approx([0.5, 0.6, low, 1 - low, 1], abs=1e-6)


@pytest.mark.slow
def test_the_first_step_of_ims_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """At m = c = 1 all factors are 1, and m has no slope: c takes the first step of AdamW, of its rate and its decay.

    The slope of c is that of agreeing by the factors, times 1 − s(1), and that of disagreeing, times 1 − s(0).
    """
    whole = ims.train
    monkeypatch.setattr(ims, "train", lambda *args, what, **kw: "1 of" in what and whole(*args, what=what, **kw))
    clean, steep = split(pictures(24), 5), 1 / (1 + np.exp(-0.5))  # s(1) where k is 1; s(0) is the rest
    settings: dict[str, Any] = {"steepness": 1.0, "sparsity": 0.0, "first_rounds": 1, "batch_size": 24}
    ours = InvertibleMasks(**settings).masks(network(), clean)
    copy, images = network().logits, clean.inputs(0, 24)
    expected = network().logits(images, training=False)
    kernels = {layer: copy.get_layer(layer).kernel for layer in ours}
    with tf.GradientTape() as tape:
        scores = copy(images, training=False)
        loss = (1 - steep) * agree(scores, expected) + steep * disagree(scores, expected)
    for layer, slope in zip(kernels, tape.gradient(loss, list(kernels.values())), strict=True):
        slopes = tf.reduce_sum(slope * kernels[layer], axis=(0, 1, 2)).numpy()
        shared = np.clip(1 - 0.02 * 0.01 - 0.02 * np.sign(slopes), 0, 1)
        soft = 1 / (1 + np.exp(-(1 - 0.02 * 0.01 - 0.5)))
        sure = np.abs(slopes) > 1e-4
        assert sure.sum() > 1
        assert ours[layer][0, 0, 0][sure] == pytest.approx((soft + shared * (1 - soft))[sure], abs=1e-4)
        assert np.array_equal(ours[layer], np.broadcast_to(ours[layer][0, 0, 0], ours[layer].shape))


@pytest.mark.slow
def test_ims_ends_after_its_rounds_and_needs_no_image_of_every_class() -> None:
    settings: dict[str, Any] = {"first_rounds": 2, "rounds": 1, "perturbing_steps": 2, "batch_size": 24}
    single = ArraySplit(pictures(24), np.full(24, 3), Scaling(1 / 255))
    masks = flat(InvertibleMasks(**settings).masks(network("plain"), single))
    assert masks.min() >= 0 and masks.max() <= 1
