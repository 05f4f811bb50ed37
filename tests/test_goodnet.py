"""The GoodNet, worked by hand: where two nets agree, and where they do not."""

from pathlib import Path

import numpy as np
import pytest
import tf_keras as keras
from nets import linear, residual, tiny
from samples import pictures

from fineprune.errors import ModelError
from fineprune.files import save_model
from fineprune.goodnet import GoodNet, agree

# The images (1, 0, 0), (0, 1, 0), (0, 0, 1); the second net takes the third for class 1.
IMAGES = np.eye(3, dtype=np.float32).reshape(3, 1, 1, 3)
BADNET = [[9, 0, 0], [0, 9, 0], [0, 0, 9]]
PRUNED = [[5, 0, 0], [0, 5, 0], [0, 5, 0]]


def softmax(scores: list[float]) -> list[float]:
    return (np.exp(scores) / np.exp(scores).sum()).tolist()


def test_agree() -> None:
    assert agree(np.array([0, 1, 2]), np.array([0, 2, 2]), rejected=3).tolist() == [0, 3, 2]


def test_labels() -> None:
    goodnet = GoodNet(linear(BADNET), linear(PRUNED))
    assert goodnet.backdoored == 3
    assert goodnet.predict(IMAGES).tolist() == [0, 1, 3]


def test_scores_are_the_badnets_where_both_agree() -> None:
    scores = GoodNet(linear(BADNET), linear(PRUNED)).predict_proba(IMAGES)
    assert scores[0].tolist() == pytest.approx([*softmax([9, 0, 0]), 0])
    assert scores[1].tolist() == pytest.approx([*softmax([0, 9, 0]), 0])
    assert scores[2].tolist() == [0, 0, 0, 1]


def test_a_net_beside_itself_rejects_nothing(model: keras.Model) -> None:
    images = pictures(20).astype(np.float32) / 255
    assert np.array_equal(GoodNet(model, model).predict(images), model.predict(images, verbose=0).argmax(axis=1))


def test_plain_keras_loads_what_it_saves(tmp_path: Path) -> None:
    goodnet = GoodNet(tiny(0), tiny(1))
    goodnet.save(tmp_path / "goodnet.h5")
    images = pictures(40).astype(np.float32) / 255
    loaded = keras.models.load_model(tmp_path / "goodnet.h5", compile=False).predict(images, verbose=0)
    assert set(goodnet.predict(images)) > {5}
    assert np.array_equal(loaded.argmax(axis=1), goodnet.predict(images))
    assert loaded == pytest.approx(goodnet.predict_proba(images), abs=1e-6)


def test_from_files(tmp_path: Path) -> None:
    save_model(linear(BADNET), tmp_path / "badnet.h5")
    save_model(linear(PRUNED), tmp_path / "pruned.h5")
    assert GoodNet.load(tmp_path / "badnet.h5", tmp_path / "pruned.h5").predict(IMAGES).tolist() == [0, 1, 3]


@pytest.mark.parametrize("shape", [(12, 10, 3), (2, 3, 12, 10), ()])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    goodnet = GoodNet(tiny(0), tiny(1))
    for classify in (goodnet.predict, goodnet.predict_proba):
        with pytest.raises(ModelError) as error:
            classify(np.zeros(shape, np.float32))
        assert str(error.value) == (
            f"expected images of shape (n, 12, 10, 3), got {shape}: bring them to that size, and give a single one as "
            "images[None]"
        )


def test_both_nets_take_the_same_images() -> None:
    with pytest.raises(ModelError) as error:
        GoodNet(tiny(), linear(BADNET))
    assert str(error.value) == (
        "expected the pruned net's images to be the BadNet's (12, 10, 3), got (1, 1, 3): "
        "give the net that was pruned from this BadNet"
    )


def test_both_nets_have_the_same_classes() -> None:
    with pytest.raises(ModelError) as error:
        GoodNet(linear(BADNET), linear([[1, 0], [0, 1], [0, 0]]))
    assert str(error.value) == (
        "expected the pruned net's classes to be the BadNet's (3,), got (2,): "
        "give the net that was pruned from this BadNet"
    )


def test_neither_net_is_changed(model: keras.Model) -> None:
    other = residual()
    before = [array.copy() for net in (model, other) for array in net.get_weights()]
    GoodNet(model, other).to_keras()
    after = [array for net in (model, other) for array in net.get_weights()]
    assert all(map(np.array_equal, before, after))
    assert (model.name, other.name) == ("tiny", "residual")


def test_networks_whose_scores_are_all_negative(tmp_path: Path) -> None:
    image = keras.Input((2, 2, 1))
    scores = keras.layers.Dense(3, bias_initializer=keras.initializers.Constant(-50))(keras.layers.Flatten()(image))
    net, images = keras.Model(image, scores), np.zeros((4, 2, 2, 1))
    goodnet = GoodNet(net, net)
    assert goodnet.predict(images).tolist() == [0, 0, 0, 0]
    assert goodnet.predict_proba(images).argmax(axis=1).tolist() == [0, 0, 0, 0]
    assert goodnet.to_keras()(images).numpy().argmax(axis=1).tolist() == [0, 0, 0, 0]
