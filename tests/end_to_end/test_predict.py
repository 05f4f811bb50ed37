"""A repaired network on the command line: measured by `evaluate`, and used by `predict`."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from commands import Ended, run
from nets import saved, tiny
from PIL import Image
from samples import pictures, write_h5

from fineprune.goodnet import GoodNet


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BadNet, its pruned net and their GoodNet, and images in a file and in a folder."""
    made = tmp_path_factory.mktemp("repaired")
    nets = [saved(tiny(seed), made / f"{name}.h5") for seed, name in enumerate(("net", "pruned"))]
    GoodNet.load(*nets).save(made / "goodnet.h5")
    write_h5(made / "test.h5", pictures(60), np.arange(60) % 5)
    (made / "images").mkdir()
    for number, image in enumerate(pictures(60)[:25]):
        Image.fromarray(image).save(made / "images" / f"{number:02}.png")
    return made


def expected(folder: Path, count: int) -> list[str]:
    labels = GoodNet.load(folder / "goodnet.h5").predict(pictures(60)[:count].astype(np.float32) / 255)
    return ["backdoored" if label == 5 else str(label) for label in labels]


def labels(folder: Path, ended: Ended) -> dict[str, str]:
    assert (ended.status, ended.err) == (0, "")
    with (folder / "out" / "predictions.csv").open() as file:
        return {row["image"]: row["label"] for row in csv.DictReader(file)}


def test_predict_classifies_the_images_of_a_folder(folder: Path) -> None:
    (folder / "images" / "notes.txt").touch()
    ended = run(folder, "predict", "goodnet=goodnet.h5", "images=images", "hydra.run.dir=out")
    assert "files left out: 1, the first notes.txt; images are" in ended.out
    names = [f"{number:02}.png" for number in range(25)]
    assert labels(folder, ended) == dict(zip(names, expected(folder, 25), strict=True))
    assert f"{expected(folder, 25).count('backdoored')} of 25 backdoored" in ended.out
    assert "and 5 more" in ended.out


def test_predict_takes_both_nets_and_an_array_too(folder: Path) -> None:
    nets = ["badnet.model=net.h5", "pruned=pruned.h5"]
    ended = run(folder, "predict", *nets, "images=test.h5", "hydra.run.dir=out")
    assert list(labels(folder, ended).values()) == expected(folder, 60)


def test_evaluate_measures_a_goodnet_without_its_badnet(folder: Path) -> None:
    settings = ["data=h5", "data.clean_test=test.h5", "data.poisoned.hat=test.h5", "hydra.run.dir=out"]
    ended = run(folder, "evaluate", "goodnet=goodnet.h5", *settings)
    assert (ended.status, ended.err) == (0, "")
    found = np.array(expected(folder, 60))
    right, rejected = np.mean(found == (np.arange(60) % 5).astype(str)), np.mean(found == "backdoored")
    assert json.loads((folder / "out" / "evaluation.json").read_text()) == {
        "goodnet": {
            "clean_test": {"accuracy": right, "false_positive_rate": rejected},
            "hat": {"asr": right, "detection_rate": rejected},
        }
    }
    assert "GoodNet" in ended.out and "B′" not in ended.out and "assumed" not in ended.out


@pytest.mark.parametrize(
    ("runner", "given"), [("evaluate", ["data=h5", "data.poisoned.hat=hat.h5"]), ("predict", ["images=hat.h5"])]
)
def test_a_network_that_may_have_no_such_class_is_said_to_be_taken_for_one(
    folder: Path, runner: str, given: list[str]
) -> None:
    write_h5(folder / "hat.h5", pictures(9), np.zeros(9))
    ended = run(folder, runner, "goodnet=net.h5", *given, "hydra.run.dir=one")
    assert "assumed: class 4, the network's last, is 'backdoored'" in ended.out


MISTAKES = [
    ("evaluate", ["goodnet=goodnet.h5", "pruned=pruned.h5"], "expected either pruned=FILE or goodnet=FILE, got both"),
    ("evaluate", ["goodnet=goodnet.h5", "data=h5"], "expected images to evaluate on, got none"),
    ("predict", ["goodnet=goodnet.h5"], "expected images, got none: set images=VALUE"),
    ("predict", ["images=images"], "expected either goodnet=FILE or badnet and pruned=FILE, got neither"),
    ("predict", ["images=images", "pruned=pruned.h5"], "expected badnet.model=FILE or badnet.weights=FILE"),
    ("predict", ["images=none", "goodnet=goodnet.h5"], "expected an image, a folder of images, an HDF5 or an .npz"),
    ("predict", ["images=images", "goodnet=goodnet.h5", "data.resize=[9,9]"], "bring them to its size by 'data.res"),
    ("predict", ["images=images", "badnet=trained", "pruned=pruned.h5"], "expected "),
]


@pytest.mark.parametrize(("runner", "arguments", "said"), MISTAKES)
def test_a_mistake_is_one_line(folder: Path, runner: str, arguments: list[str], said: str) -> None:
    ended = run(folder, runner, *arguments, "hydra.run.dir=wrong")
    assert (ended.status, ended.err.count("\n"), ended.out) == (2, 1, "")
    assert said in ended.err
    assert not (folder / "wrong").exists()
