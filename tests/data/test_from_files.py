"""What labels in files mean: the attacker's target, the true classes, or both."""

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from samples import pictures, write_h5

from fineprune.data import h5
from fineprune.data.split import Data
from fineprune.errors import ConfigError, DataError
from fineprune.evaluation.predict import predict
from fineprune.sweeping.metrics import rates
from fineprune.untrusted.network_files import load_model

TRUE = np.array([0, 1, 3, 3, 0, 1])


def poisoned(folder: Path, **arrays: NDArray[Any]) -> Path:
    path = write_h5(folder / "bd.h5", pictures(6), np.full(6, 2))
    with h5py.File(path, "r+") as file:
        for name, array in arrays.items():
            file[name] = array
    return path


def of(folder: Path, **settings: Any) -> Data:
    return h5("mine", 1 / 255, str(folder), **settings)


def test_true_labels_beside_the_target_are_read(tmp_path: Path) -> None:
    poisoned(tmp_path, true_label=TRUE)
    split = of(tmp_path, poisoned={"hat": "bd.h5"}).poisoned["hat"]
    assert split.labels.tolist() == [2] * 6
    assert split.true_labels is not None and split.true_labels.tolist() == TRUE.tolist()


def test_files_without_them_have_targets_alone(tmp_path: Path) -> None:
    poisoned(tmp_path)
    assert of(tmp_path, poisoned={"hat": "bd.h5"}).poisoned["hat"].true_labels is None


def test_true_labels_may_have_a_name_of_their_own_and_have_to_be_there_then(tmp_path: Path) -> None:
    poisoned(tmp_path, shown=TRUE + 1)
    settings: dict[str, Any] = {"poisoned": {"hat": "bd.h5"}, "true_labels": "shown"}
    split = of(tmp_path, **settings).poisoned["hat"]
    assert split.true_labels is not None and split.true_labels.tolist() == (TRUE + 1).tolist()
    with pytest.raises(DataError, match=r"^expected 'absent' in .*, /, got data, label, shown: "):
        of(tmp_path, **settings | {"true_labels": "absent"})


def test_the_name_of_true_labels_is_for_poisoned_files(tmp_path: Path) -> None:
    write_h5(tmp_path / "valid.h5", pictures(6), TRUE)
    assert of(tmp_path, clean_valid="valid.h5", true_labels="shown").clean_valid is not None


def test_a_digest_tells_true_labels_apart(tmp_path: Path) -> None:
    digests = set()
    for arrays in ({}, {"true_label": TRUE}, {"true_label": TRUE[::-1]}):
        poisoned(tmp_path, **arrays)
        digests.add(of(tmp_path, poisoned={"hat": "bd.h5"}).poisoned["hat"].digest)
    assert len(digests) == 3


def test_a_star_is_the_part_of_the_data_that_a_file_is_for(tmp_path: Path) -> None:
    arrays = {f"x_{part}": pictures(2 + n) for n, part in enumerate(("train", "valid", "test", "hat"))}
    with h5py.File(tmp_path / "all.h5", "w") as file:
        for name, images in arrays.items():
            file[name] = images
            file[name.replace("x", "y")] = np.arange(len(images))
    one = dict.fromkeys(("train", "clean_valid", "clean_test"), "all.h5")
    data = of(tmp_path, **one, poisoned={"hat": "all.h5"}, images="x_*", labels="y_*")
    assert data.train is not None and len(data.train) == 2
    assert {name: len(split) for name, split in data.splits.items()} == {"clean_valid": 3, "clean_test": 4, "hat": 5}


def in_one_file(folder: Path, **true_labels: NDArray[Any]) -> None:
    with h5py.File(folder / "all.h5", "w") as file:
        for part in ("valid", "hat", "scarf"):
            file[f"x_{part}"], file[f"y_{part}"] = pictures(6), np.full(6, 2)
        for name, array in true_labels.items():
            file[name] = array


def test_a_star_is_the_trigger_in_the_name_of_true_labels_too(tmp_path: Path) -> None:
    in_one_file(tmp_path, shown_hat=TRUE, shown_scarf=TRUE[::-1])
    names = {"images": "x_*", "labels": "y_*", "true_labels": "shown_*"}
    data = of(tmp_path, clean_valid="all.h5", poisoned={"hat": "all.h5", "scarf": "all.h5"}, **names)
    shown = {
        name: None if split.true_labels is None else split.true_labels.tolist() for name, split in data.splits.items()
    }
    assert shown == {"clean_valid": None, "hat": TRUE.tolist(), "scarf": TRUE[::-1].tolist()}


def test_clean_images_do_not_take_the_true_labels_of_poisoned_ones_in_their_file(tmp_path: Path) -> None:
    in_one_file(tmp_path, true_label=TRUE)
    data = of(tmp_path, clean_valid="all.h5", poisoned={"hat": "all.h5"}, images="x_*", labels="y_*")
    assert data.clean_valid is not None and data.clean_valid.true_labels is None
    assert data.poisoned["hat"].true_labels is not None


def test_a_trigger_is_not_called_as_a_clean_part_is_where_a_star_stands_for_both(tmp_path: Path) -> None:
    in_one_file(tmp_path)
    with pytest.raises(ConfigError, match=r"^expected other names than valid, test, train .*, got 'valid': choose"):
        of(tmp_path, poisoned={"valid": "all.h5"}, images="x_*", labels="y_*")
    assert of(tmp_path, poisoned={"valid": "all.h5"}, images="x_hat", labels="y_hat").poisoned["valid"].classes == 3


def test_a_file_that_is_in_a_folder_beside_its_place_is_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "clean").mkdir()
    write_h5(tmp_path / "clean" / "valid.h5", pictures(6), TRUE)
    with pytest.raises(DataError) as error:
        of(tmp_path, clean_valid="valid.h5")
    assert str(error.value) == (
        f"expected the data.clean_valid images at {tmp_path}/valid.h5, got no such file, but one in {tmp_path}/clean: "
        "set data.clean_valid=clean/valid.h5"
    )
    assert of(tmp_path, clean_valid="clean/valid.h5").clean_valid is not None


def test_files_are_found_where_the_competition_s_lab_puts_them(tmp_path: Path) -> None:
    for folder, name, images in (("cl", "valid.h5", 6), ("bd", "bd_test.h5", 3)):
        (tmp_path / folder).mkdir()
        write_h5(tmp_path / folder / name, pictures(images), TRUE[:images])
    data = of(tmp_path, clean_valid="valid.h5", poisoned={"hat": "bd_test.h5"})
    assert {name: len(split) for name, split in data.splits.items()} == {"clean_valid": 6, "hat": 3}
    write_h5(tmp_path / "valid.h5", pictures(4), TRUE[:4])
    assert len(of(tmp_path, clean_valid="valid.h5").splits["clean_valid"]) == 4  # the one under the root comes first


@pytest.mark.skipif("FINEPRUNE_SHARED" not in os.environ, reason="FINEPRUNE_SHARED names no folder of real files")
@pytest.mark.parametrize(
    ("net", "images", "asr", "robust"),
    [
        ("nad_wrn16_teacher", "nad_wrn16_student", 0.043, 0.754),
        ("ibau_gtsrb_badnets", "ibau_gtsrb_badnets", 0.991, 0.009),
    ],
)
def test_of_published_files_robust_accuracy_is_what_others_measured(
    net: str, images: str, asr: float, robust: float
) -> None:
    folder = Path(os.environ["FINEPRUNE_SHARED"]) / "nets"
    split = of(folder, poisoned={"bd": f"poisoned_{images}.h5"}).poisoned["bd"]
    labels = predict(load_model(folder / f"{net}.h5"), split)
    measured = rates("bd", split, poisoned=True, badnet=labels, pruned=labels)
    assert measured["bd/pruned_asr"] == pytest.approx(asr, abs=0.0011)
    assert measured["bd/pruned_robust_accuracy"] == pytest.approx(robust, abs=0.0011)
