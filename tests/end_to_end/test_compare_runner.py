"""From sweeps on disk to the answer: `runners.compare`, its page in a browser, the notebook."""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from commands import Ended, once, run
from nets import tiny
from samples import pictures, write_h5

from fineprune.files import save_model

NETWORK = [
    "badnet=h5",
    "badnet.model=net.h5",
    "data=h5",
    "data.clean_valid=valid.h5",
    "data.clean_test=test.h5",
    "data.poisoned.hat=hat.h5",
    "data.poisoned.scarf=scarf.h5",
    "tracking.experiment=trial",
]
ROOT = Path(__file__).parents[2]


def make(folder: Path) -> None:
    """A network that is always right before it is pruned, be it about clean images or an attacker's targets."""
    net = tiny()
    save_model(net, folder / "net.h5")
    for number, name in enumerate(("valid", "test", "hat", "scarf")):
        pixels = pictures(60, seed=number)
        labels = net.predict(pixels / np.float32(255), verbose=0).argmax(axis=1)
        write_h5(folder / f"{name}.h5", pixels, labels)
    grid = ["seed=0,1", "strategy=channel_activation,magnitude_dense", "finetune=none,clean"]
    ended = run(folder, "sweep", "-m", *grid, *NETWORK)
    assert (ended.status, ended.err) == (0, "")


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with eight sweeps."""
    return once(tmp_path_factory, "compared", make)


@pytest.fixture(scope="session")
def compared(swept: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that a comparison leaves, and what it prints."""
    folder = tmp_path_factory.mktemp("comparison")
    ended = run(swept, "compare", "tracking.experiment=trial", f"hydra.run.dir={folder}")
    assert (ended.status, ended.err) == (0, "")
    return folder, ended.out


def recomputed(swept: Path) -> pd.DataFrame:
    """The rates of pruned nets at each budget, from the run folders alone."""
    rows = []
    for file in swept.glob("outputs/sweep/*/*/performance.csv"):
        settings = yaml.safe_load((file.parent / "config.yaml").read_text())
        summary = json.loads((file.parent / "summary.json").read_text())
        if "FineTuning" in str(settings["finetune"]):
            continue
        table = pd.read_csv(file)
        images = summary["splits"]["clean_valid"]["images"]
        right = (table["clean_valid/pruned_accuracy"] * images).round().astype(int)
        for budget in settings["budgets"]:
            reached = [fall >= Fraction(str(budget)) * images for fall in right[0] - right]
            row = reached.index(True) if any(reached) else len(reached) - 1
            first, last = table.iloc[0], table.iloc[row]
            asr = np.mean([last[f"{trigger}/goodnet_asr"] for trigger in ("hat", "scarf")])
            before = np.mean([first[f"{trigger}/goodnet_asr"] for trigger in ("hat", "scarf")])
            falls = before - asr, first["clean_test/goodnet_accuracy"] - last["clean_test/goodnet_accuracy"]
            rates = {"method": summary["strategy"], "point": f"{100 * budget:g}_percent", "goodnet_asr": asr}
            rates |= {"goodnet_accuracy": last["clean_test/goodnet_accuracy"]}
            rows.append(rates | {"der": (max(0, falls[0]) - max(0, falls[1]) + 1) / 2})
    return (
        pd.DataFrame(rows)
        .groupby(["point", "method"])
        .agg(
            seeds=("method", "size"),
            goodnet_asr=("goodnet_asr", "mean"),
            goodnet_accuracy=("goodnet_accuracy", "mean"),
            goodnet_der=("der", "mean"),
        )
    )


def test_the_ranking_is_what_the_run_folders_say(swept: Path, compared: tuple[Path, str]) -> None:
    expected = recomputed(swept)
    assert len(expected) >= 3
    removed = pd.read_csv(compared[0] / "attacks.csv")
    removed = removed[~removed["method"].str.contains("fine-tuning") & (removed["method"] != "untouched")]
    removed = removed.set_index(["point", "method"]).sort_index()
    pd.testing.assert_frame_equal(removed[expected.columns], expected.sort_index())
    for _, rows in removed.groupby("point"):
        assert rows.sort_values("goodnet_der", ascending=False)["rank"].is_monotonic_increasing


def test_the_answer_on_the_terminal(compared: tuple[Path, str]) -> None:
    folder, out = compared
    assert out.startswith("At 2 % ")
    assert "Can’t tell from 2 blocks" in out
    assert out.rstrip().endswith(f"report: {folder / 'report.html'}")
    assert len(out.splitlines()) <= 40


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tracking.experiment=trail"], "expected tracking.experiment to be one of Default, trial, got 'trail'"),
        (["tracking.experiment=trial", "grid=none"], "AND tags.grid = 'none', got none"),
        (["tracking.experiment=trial", "filter=nonsense"], "expected filter to be in MLflow's language"),
        (["tracking=none"], "expected a tracking that keeps runs, got tracking=none"),
        (["tracking.uri=sqlite:///away/mlflow.db"], "got no such file: run a sweep first"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(swept: Path, arguments: list[str], said: str) -> None:
    ended = run(swept, "compare", *arguments, "hydra.run.dir=out")
    assert ended.err.startswith("error: ") and ended.err.count("\n") == 1
    assert said in ended.err
    assert ended.status == 2
    assert not (swept / "out").exists() and not (swept / "away").exists()


def test_it_does_not_wait_for_tensorflow(swept: Path, tmp_path: Path) -> None:
    arguments = ["tracking.experiment=trial", f"hydra.run.dir={tmp_path}"]
    imported = run(swept, "compare", *arguments, python=("-X", "importtime")).err
    modules = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in imported.splitlines() if "|" in line}
    assert {"mlflow", "matplotlib"} <= modules
    assert not modules & {"tensorflow", "tf_keras"}


def test_a_filter_of_mlflow_on_the_command_line(swept: Path, tmp_path: Path) -> None:
    wanted = "filter='tags.finetune = \"none\"'"
    ended = run(swept, "compare", "tracking.experiment=trial", wanted, f"hydra.run.dir={tmp_path}")
    assert (ended.status, ended.err) == (0, "")
    assert not pd.read_csv(tmp_path / "results.csv")["method"].str.contains("fine-tuning").any()


def compare_in(store: Path, swept: Path, folder: Path) -> Ended:
    store_and_folder = f"tracking.uri=sqlite:///{store}", f"hydra.run.dir={folder}"
    return run(swept, "compare", "tracking.experiment=trial", *store_and_folder)


def test_each_comparison_is_a_run_with_its_page_that_no_comparison_reads(swept: Path, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    store = Path(shutil.copy(swept / "mlruns" / "mlflow.db", tmp_path))
    client = MlflowClient(f"sqlite:///{store}")
    experiment = client.get_experiment_by_name("trial").experiment_id
    before = {logged.info.run_id for logged in client.search_runs([experiment])}
    for name in ("first", "second"):
        ended = compare_in(store, swept, tmp_path / name)
        assert (ended.status, ended.err) == (0, "")
    runs = [logged for logged in client.search_runs([experiment]) if logged.info.run_id not in before]
    assert [logged.data.tags["comparison"] for logged in runs] == ["true"] * 2
    assert [logged.info.status for logged in runs] == ["FINISHED"] * 2
    for logged in runs:
        assert logged.data.metrics["runs_compared"] == 8
        artifacts = {file.path for file in client.list_artifacts(logged.info.run_id)}
        assert artifacts >= {"report.html", "ranking.csv", "ranking.md", "removal.tex", "matrix_4_percent.svg"}


def test_a_store_that_takes_nothing_costs_the_log_and_one_line(swept: Path, tmp_path: Path) -> None:
    store = Path(shutil.copy(swept / "mlruns" / "mlflow.db", tmp_path))
    refusal = (
        "CREATE TRIGGER no BEFORE INSERT ON runs BEGIN SELECT RAISE(ABORT, 'attempt to write a readonly database'); END"
    )
    with sqlite3.connect(store) as database:
        database.execute(refusal)
    ended = compare_in(store, swept, tmp_path / "out")
    assert ended.status == 0
    assert ended.err.startswith("warning: not logged yet, expected an MLflow store at ") and ended.err.count("\n") == 1
    assert "readonly database" in ended.err and f"runners.publish {tmp_path / 'out'}" in ended.err
    assert (tmp_path / "out" / "report.html").exists()


@pytest.fixture
def browser() -> Iterator[Any]:
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not binary or not driver:
        pytest.skip("chromium and chromedriver are not installed: they show the page")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    opened = webdriver.Chrome(options=options, service=Service(driver))
    yield opened
    opened.quit()


def requests(browser: Any) -> set[str]:
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [message["params"] for message in messages if message["method"] == "Network.requestWillBeSent"]
    return {request["request"]["url"].partition(":")[0] for request in sent}


def column(browser: Any, name: str) -> list[str]:
    cells = f"table:has(#ranking-1) tbody td.{name}"
    return [cell.get_attribute("data-value") or cell.text for cell in browser.find_elements("css selector", cells)]


@pytest.mark.servers
def test_the_page_in_a_browser(compared: tuple[Path, str], browser: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    page = (compared[0] / "report.html").as_uri()
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.get(page)
        pictures = browser.find_elements("tag name", "img")
        assert len(pictures) >= 3
        assert all(browser.execute_script("return arguments[0].naturalWidth", picture) > 0 for picture in pictures)
    assert requests(browser) <= {"file", "data"}

    heading = browser.find_element("css selector", "table:has(#ranking-1) th.goodnet_asr")
    button = heading.find_element("tag name", "button")
    before = list(map(float, column(browser, "goodnet_asr")))
    button.click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert list(map(float, column(browser, "goodnet_asr"))) == sorted(before)
    button.send_keys(Keys.ENTER)
    assert heading.get_attribute("aria-sort") == "descending"
    assert list(map(float, column(browser, "goodnet_asr"))) == sorted(before, reverse=True)
    browser.find_element("css selector", "table:has(#ranking-1) th.method button").click()
    assert heading.get_attribute("aria-sort") is None
    methods = column(browser, "method")
    assert methods == sorted(methods)

    size = {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []


@pytest.mark.servers
def test_numbers_sort_as_numbers(tmp_path: Path, browser: Any) -> None:
    from sweeps import sweep

    from fineprune.comparison import Comparison
    from fineprune.comparison.output import result_files

    seconds = {"a": 9.0, "b": 100.0, "c": 20.0}
    runs = [sweep(name) for name in seconds]
    for one in runs:
        one.metrics["seconds/strategy"] = seconds[one.tags["strategy"]]
    browser.get(result_files.write(Comparison(runs, "trial"), tmp_path)[-1].as_uri())
    browser.find_element("css selector", "table:has(#ranking-1) th.seconds button").click()
    assert list(map(float, column(browser, "seconds"))) == [0, 9, 20, 100]
    assert column(browser, "method") == ["untouched", "a", "c", "b"]


def test_the_notebook_runs(swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{swept}/mlruns/mlflow.db")
    monkeypatch.setenv("FINEPRUNE_EXPERIMENT", "trial")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(ROOT / "docs" / "how_to" / "compare.ipynb", as_version=4)
    assert all(cell.outputs for cell in notebook.cells[3:] if cell.cell_type == "code"), "store its outputs"
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute(cwd=str(swept))
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert any("image/png" in output.get("data", {}) or "image/svg+xml" in output.get("data", {}) for output in outputs)
    assert "ranks first of" in str(outputs) or "tie for first of" in str(outputs)
