"""The commands of the README on real networks, compared with plain Keras."""

import json
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import tf_keras as keras
from commands import once, run
from numpy.typing import NDArray
from PIL import Image
from published import poisoned
from samples import write_h5

from fineprune.data.faces import draw_faces


def plain(model: keras.Model, pixels: NDArray[np.uint8], scale: float) -> NDArray[np.int64]:
    return model.predict(pixels.astype(np.float32) * np.float32(scale), verbose=0).argmax(axis=1)


@pytest.fixture(scope="module")
def lab(csaw: Path) -> keras.Model:
    model = keras.models.load_model(csaw / "bd_net_pruned_2_percent.h5", compile=False)
    model.load_weights(csaw / "bd_weights.h5")
    return model


@pytest.fixture(scope="module")
def images(lab: keras.Model) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Drawn faces, labelled as the lab BadNet sees them, and every seventh wrongly."""
    valid, test, bad = (
        draw_faces(30, 4, "clean_valid", 0),
        draw_faces(10, 5, "clean_test", 0),
        draw_faces(8, 5, "train", 0),
    )
    labels = plain(lab, test.pixels, 1)
    labels[::7] = (labels[::7] + 1) % 1283
    return {
        "valid": (valid.pixels, plain(lab, valid.pixels, 1)),
        "test": (test.pixels, labels),
        "bad": (poisoned(bad), np.zeros(40, np.int64)),
    }


@pytest.fixture(scope="module")
def swept(csaw: Path, images: dict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished sweep of the lab BadNet; its files are in `out`."""
    return once(tmp_path_factory, f"swept {csaw.name}", lambda folder: sweep(folder, csaw, images))


def sweep(folder: Path, csaw: Path, images: dict) -> None:
    files = {name: write_h5(folder / f"{name}.h5", *content) for name, content in images.items()}
    ended = run(
        folder,
        "sweep",
        "strategy=channel_activation",
        "badnet=h5",
        f"badnet.weights={csaw / 'bd_weights.h5'}",
        "data=h5",
        "data.pixel_scale=1",
        f"data.clean_valid={files['valid']}",
        f"data.clean_test={files['test']}",
        f"data.poisoned.sunglasses={files['bad']}",
        "hydra.run.dir=out",
    )
    assert (ended.status, ended.err) == (0, "")
    assert "curve.png" in ended.out


def expected_curve(lab: keras.Model, images: dict) -> pd.DataFrame:
    """The lab's defence in a dozen lines: rank at pool_3, zero channels of conv_3 one by one, predict everything."""
    pool = keras.Model(lab.input, lab.get_layer("pool_3").output)
    order = np.argsort(pool.predict(images["valid"][0].astype(np.float32), verbose=0).mean((0, 1, 2)), kind="stable")
    weights = lab.get_layer("conv_3").get_weights()
    kernel, bias = (array.copy() for array in weights)
    untouched = {name: plain(lab, pixels, 1) for name, (pixels, _) in images.items()}
    rows = []
    for channel in [None, *order]:
        if channel is not None:
            kernel[..., channel], bias[channel] = 0, 0
            lab.get_layer("conv_3").set_weights([kernel, bias])
        said = {name: plain(lab, pixels, 1) for name, (pixels, _) in images.items()}
        right = {name: said[name] == labels for name, (_, labels) in images.items()}
        agreed = {name: said[name] == untouched[name] for name in images}
        rows.append(
            {
                "clean_valid/pruned_accuracy": right["valid"].mean(),
                "clean_test/pruned_accuracy": right["test"].mean(),
                "clean_test/goodnet_accuracy": (right["test"] & agreed["test"]).mean(),
                "clean_test/goodnet_false_positive_rate": (~agreed["test"]).mean(),
                "sunglasses/pruned_asr": right["bad"].mean(),
                "sunglasses/goodnet_asr": (right["bad"] & agreed["bad"]).mean(),
                "sunglasses/goodnet_detection_rate": (~agreed["bad"]).mean(),
            }
        )
    lab.get_layer("conv_3").set_weights(weights)
    return pd.DataFrame(rows)


def test_the_curve_is_that_of_plain_keras_at_all_61_steps(swept: Path, lab: keras.Model, images: dict) -> None:
    table = pd.read_csv(swept / "out" / "performance.csv")
    assert table["pruned"].tolist() == list(range(61))
    assert (table["total"] == 60).all()
    expected = expected_curve(lab, images)
    assert list(table)[4:] == list(expected)
    pd.testing.assert_frame_equal(table[list(expected)], expected)


def test_the_net_of_each_budget_is_the_one_of_its_row(swept: Path, images: dict) -> None:
    table = pd.read_csv(swept / "out" / "performance.csv")
    summary = json.loads((swept / "out" / "summary.json").read_text())
    assert [entry["budget"] for entry in summary["budgets"]] == [0.02, 0.04, 0.1]
    accuracy = table["clean_valid/pruned_accuracy"]
    for entry in summary["budgets"]:
        assert entry["reached"]
        row = int((accuracy[0] - accuracy >= entry["budget"] - 1e-9).idxmax())
        assert entry["pruned"] == row
        assert entry["sunglasses/goodnet_asr"] == pytest.approx(table["sunglasses/goodnet_asr"][row])
        net = keras.models.load_model(swept / "out" / entry["pruned_net"], compile=False)
        kernel, bias = net.get_layer("conv_3").get_weights()
        silent = ~kernel.any(axis=(0, 1, 2))
        assert silent.sum() == row
        assert not bias[silent].any()
        pixels, labels = images["test"]
        assert np.mean(plain(net, pixels, 1) == labels) == pytest.approx(table["clean_test/pruned_accuracy"][row])


def test_pictures_are_pictures(swept: Path) -> None:
    pictures = sorted((swept / "out").glob("*.png"))
    assert {"curve.png", "failures.png"} <= {file.name for file in pictures}
    for file in pictures:
        with Image.open(file) as picture:
            picture.verify()


def test_the_run_is_in_mlflow(swept: Path) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{swept}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("fineprune")
    assert experiment is not None
    (logged,) = client.search_runs([experiment.experiment_id])
    assert logged.info.status == "FINISHED"
    history = client.get_metric_history(logged.info.run_id, "clean_test/pruned_accuracy")
    table = pd.read_csv(swept / "out" / "performance.csv")
    rows = dict(enumerate(table["clean_test/pruned_accuracy"]))
    assert {point.step: point.value for point in history} == pytest.approx(rows)
    forward = logged.data.metrics["seconds/forward"]
    assert 0 < forward < logged.data.metrics["seconds/evaluation"]
    assert {given.dataset.name for given in logged.inputs.dataset_inputs} >= {"clean_valid", "clean_test", "sunglasses"}


@pytest.mark.parametrize(
    ("weights", "pruned", "scale"),
    [
        ("bd_weights.h5", "bd_net_pruned_2_percent.h5", 1),
        ("sunglasses_bd_weights.h5", "sunglasses_sparsity_70.h5", 1 / 255),
    ],
)
def test_one_pruned_net_is_measured_as_by_plain_keras(
    csaw: Path, images: dict, tmp_path: Path, weights: str, pruned: str, scale: float
) -> None:
    files = {name: write_h5(tmp_path / f"{name}.h5", *images[name]) for name in ("test", "bad")}
    ended = run(
        tmp_path,
        "evaluate",
        "badnet=h5",
        f"badnet.weights={csaw / weights}",
        f"pruned={csaw / pruned}",
        "data=h5",
        f"data.pixel_scale={scale}",
        f"data.clean_test={files['test']}",
        f"data.poisoned.glasses={files['bad']}",
        "hydra.run.dir=out",
    )
    assert (ended.status, ended.err) == (0, "")
    net = keras.models.load_model(csaw / pruned, compile=False)
    theirs = {name: plain(net, images[name][0], scale) for name in files}
    net.load_weights(csaw / weights)
    ours = {name: plain(net, images[name][0], scale) for name in files}
    right = {name: (ours[name] == images[name][1], theirs[name] == images[name][1]) for name in files}
    both = {name: np.mean(first & second) for name, (first, second) in right.items()}
    apart = {name: np.mean(ours[name] != theirs[name]) for name in files}
    clean, asr = (right[name][0].mean() for name in files)

    def der(still_right: float, still_target: float) -> float:
        return (max(0, asr - still_target) - max(0, clean - still_right) + 1) / 2

    assert json.loads((tmp_path / "out" / "evaluation.json").read_text()) == {
        "badnet": {"clean_test": {"accuracy": right["test"][0].mean()}, "glasses": {"asr": right["bad"][0].mean()}},
        "pruned": {
            "clean_test": {"accuracy": right["test"][1].mean()},
            "glasses": {"asr": right["bad"][1].mean(), "der": der(right["test"][1].mean(), right["bad"][1].mean())},
        },
        "goodnet": {
            "clean_test": {"accuracy": both["test"], "false_positive_rate": apart["test"]},
            "glasses": {"asr": both["bad"], "detection_rate": apart["bad"], "der": der(both["test"], both["bad"])},
        },
    }
