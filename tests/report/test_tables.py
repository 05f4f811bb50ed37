"""The tables on a terminal of 80 columns: rates in percent, none of them cut off."""

from io import StringIO
from itertools import takewhile

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from rich.table import Table

from fineprune.badnets import cards
from fineprune.network.step import Cap, Edit, Mask, Replace, Scale, Silence, Step
from fineprune.report import tables
from fineprune.report.terminal import console

HIGHEST = {"asr": 1.0, "detection_rate": 1.0, "robust_accuracy": 1.0, "der": 1.0}


def shown(table: Table) -> str:
    text = StringIO()
    Console(file=text, width=80).print(table)
    assert "…" not in text.getvalue()
    return text.getvalue()


def lines(table: Table) -> list[list[str]]:
    """The words of each line between the headings and the caption."""
    _, _, below = shown(table).partition("──")
    return [line.split() for line in takewhile(str.strip, below.splitlines()[1:])]


def test_a_net_has_its_clean_rates_once_and_a_line_for_each_attack() -> None:
    table = tables.rates_table("budget", "net")
    clean = {"accuracy": 0.98765, "false_positive_rate": 0.0125}
    patch = {"asr": 0.5, "detection_rate": 0.25, "der": 0.75}
    warp = {"asr": 1.0, "detection_rate": 0.0, "der": 0.4985}
    tables.add(table, ("2 %", "GoodNet"), {"clean_test": clean, "patch": patch, "warp": warp})
    assert lines(table) == [
        ["2", "%", "GoodNet", "98.77", "1.25", "patch", "50.00", "25.00", "75.00"],
        ["warp", "100.00", "0.00", "49.85"],
    ]


def test_each_rate_stands_under_its_heading() -> None:
    table = tables.rates_table("net")
    tables.add(table, ("B",), {"clean_test": {"accuracy": 0.5}, "patch": {"asr": 0.25, "robust_accuracy": 0.125}})
    assert [column.header for column in table.columns] == [
        *["net", "clean", "false pos", "attack", "ASR", "found", "RA", "DER"]
    ]
    assert [list(column.cells) for column in table.columns] == [
        *[["B"], ["50.00"], [""], ["patch"], ["25.00"], [""], ["12.50"], [""]]
    ]


def test_a_net_on_which_nothing_was_measured_is_a_line_without_rates() -> None:
    table = tables.rates_table("budget")
    tables.add(table, ("2 %",), {})
    assert lines(table) == [["2", "%"]]


@pytest.mark.parametrize("attack", ["sunglasses", "an_attack_with_a_name_of_forty_letters_ok"])
def test_ten_columns_of_the_longest_numbers_fit_a_terminal(attack: str) -> None:
    table = tables.rates_table("budget", "pruned", "net")
    rates = {"clean_test": {"accuracy": 1.0, "false_positive_rate": 1.0}, attack: HIGHEST}
    tables.add(table, ("100 %", "60/60", "GoodNet"), rates)
    assert shown(table).count("100.00") == 6
    first, *more = lines(table)
    assert "".join([first[6], *(word for line in more for word in line)]) == attack


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        ([Silence("conv_4", np.zeros(2))], "channels of conv_4"),
        ([Scale("norm_1", np.full(2, 0.5)), Scale("norm_2", np.zeros(2))], "channels’ γ in norm_1, norm_2"),
        ([Mask("a", np.zeros(1)), Replace("a", [np.ones(1)]), Replace("b", [np.ones(1)])], "weights of a, b"),
        ([Cap("c", np.ones(2)), Silence("d", np.zeros(2))], "channels of d; caps on c"),
        ([Mask(f"layer_{number}", np.zeros(1)) for number in range(18)], "weights of 18 layers, layer_0 to layer_17"),
        (
            [Silence("ranked", np.ones(2)), Silence("pruned", np.array([1, 0])), Cap("c", np.full(2, np.inf))],
            "channels of pruned",
        ),
        ([], "nothing"),
    ],
)
def test_what_a_step_changes_is_said_in_a_line(edits: list[Edit], said: str) -> None:
    assert tables.edited(Step(edits)) == said


def test_columns_that_hold_nothing_are_left_out_and_the_caption_speaks_of_the_others() -> None:
    only_clean, files = tables.rates_table("net"), tables.rates_table("net")
    tables.add(only_clean, ("B",), {"clean_valid": {"accuracy": 0.5}})
    text = shown(tables.finished(only_clean, ["clean_valid"]))
    assert text.split() == ["net", "clean", "─" * 9, "B", "50.00", *"percent; clean: accuracy on clean_valid".split()]
    rates = {"clean_valid": {"accuracy": 0.5}, "clean_test": {"accuracy": 0.25}, "patch": {"asr": 1.0}}
    tables.add(files, ("B",), rates)
    tables.add(files, ("GoodNet",), {"patch": {"asr": 0.5, "detection_rate": 0.75}})
    table = tables.finished(files, rates)
    assert [column.header for column in table.columns] == ["net", "clean", "attack", "ASR", "found"]
    assert lines(table) == [["B", "25.00", "patch", "100.00"], ["GoodNet", "patch", "50.00", "75.00"]]
    assert table.caption == "percent; clean: accuracy on clean_test; found: taken for backdoored"


def test_the_rates_of_one_net_measured_alone() -> None:
    rates = {
        "badnet": {"clean_test": {"accuracy": 1.0}, "patch": {"asr": 0.9}},
        "pruned": {"clean_test": {"accuracy": 0.8}, "patch": {"asr": 0.7, "der": 0.5}},
        "goodnet": {"clean_test": {"accuracy": 0.6, "false_positive_rate": 0.3}, "patch": {"asr": 0.2}},
    }
    assert lines(tables.nets_table(rates)) == [
        ["B", "100.00", "patch", "90.00"],
        ["B′", "80.00", "patch", "70.00", "50.00"],
        ["GoodNet", "60.00", "30.00", "patch", "20.00"],
    ]


def card(pruning_aware: bool) -> dict[str, object]:
    epochs = [{"clean_test": 0.5, "lips": 0.25, "brows": 0.0}, {"clean_test": 1.0, "lips": 0.75, "brows": 0.125}]
    attack = {"name": "many", "pruning_aware": pruning_aware}
    return {"epochs": epochs, "asr": {"lips": 0.7, "brows": 0.1}, "clean_accuracy": 0.9, "attack": attack}


def test_what_training_went_through_epoch_by_epoch() -> None:
    table = tables.epochs_table(card(pruning_aware=False))
    assert [column.header for column in table.columns] == ["epoch", "clean", "ASR lips", "ASR brows"]
    assert lines(table) == [["1", "50.00", "25.00", "0.00"], ["2", "100.00", "75.00", "12.50"]]


def test_of_an_attacker_who_expects_pruning_the_rates_of_the_whole_net_come_last() -> None:
    assert lines(tables.epochs_table(card(pruning_aware=True)))[-1] == ["put", "back", "90.00", "70.00", "10.00"]


def parts(nets: list[str], layers: dict[str, float]) -> pd.DataFrame:
    rows = [
        {"net": net, "layer": layer, "kernel_share_zero": share, "gzip_bytes": 1234567 if layer == "all" else None}
        for net in nets
        for layer, share in layers.items()
    ]
    return pd.DataFrame(rows).astype({"gzip_bytes": "Int64"})


def test_the_zeros_of_each_layer_a_column_a_net() -> None:
    before = parts(["badnet"], {"conv_1": 0.0, "conv_2": 0.0, "all": 0.0})
    after = parts(["pruned_2_percent"], {"conv_1": 0.0, "conv_2": 0.456, "all": 0.1})
    (table,) = tables.layer_tables(pd.concat([before, after], ignore_index=True))
    assert [column.header for column in table.columns] == ["layer", "badnet", "pruned\n2 %"]
    assert lines(table) == [["conv_2", "0.0", "45.6"], ["all", "0.0", "10.0"], ["kB", "1235", "1235"]]


def test_what_one_net_alone_silences_behind_an_addition_stands_before_the_total() -> None:
    before = parts(["badnet"], {"conv_1": 0.0, "all": 0.0})
    after = parts(["pruned_2_percent"], {"conv_1": 0.0, "add_silenced": 0.25, "norm": np.nan, "all": 0.0})
    (table,) = tables.layer_tables(pd.concat([before, after], ignore_index=True))
    assert lines(table) == [["add_silenced", "25.0"], ["all", "0.0", "0.0"], ["kB", "1235", "1235"]]


def test_layers_in_which_nothing_is_zero_are_left_out() -> None:
    layers = {f"conv_{number}": number % 10 / 10 for number in range(20)} | {"all": 0.0}
    (table,) = tables.layer_tables(parts(["badnet"], layers))
    assert [line[0] for line in lines(table)] == [
        *[f"conv_{number}" for number in range(20) if number % 10],
        *["all", "kB"],
    ]


@pytest.mark.parametrize("layer", ["block_13_expand", "model.features.denseblock4.denselayer16.conv2"])
def test_the_nets_of_four_points_pruned_and_fine_tuned_fit_a_terminal(layer: str) -> None:
    points = ("2_percent", "4_percent", "10_percent", "end")
    nets = ["badnet", *(f"{what}_{point}" for point in points for what in ("pruned", "finetuned"))]
    (table,) = tables.layer_tables(parts(nets, {layer: 1.0, "all": 1.0}))
    assert shown(table).count("100.0") == 2 * len(nets)
    assert shown(table).count("1235") == len(nets)
    first, *more = lines(table)[:-2]
    assert "".join([first[0], *(word for line in more for word in line)]) == layer


def test_more_nets_than_fit_a_terminal_have_several_tables() -> None:
    nets = [f"pruned_{point}_percent" for point in range(1, 21)]
    several = list(tables.layer_tables(parts(nets, {"conv_1": 1.0, "all": 1.0})))
    assert sum(shown(table).count("1235") for table in several) == len(nets)


def averages(**about: str) -> dict[str, object]:
    rates = {"clean": 1.0, "clean_sd": 0.1234, "asr": 1.0, "asr_sd": 0.1234, "lowest_asr": 1.0, "seeds": 3}
    return (
        dict.fromkeys(cards.WHAT, "0.1") | {"architecture": "deepid", "data": "faces", "epochs": "20"} | rates | about
    )


def test_badnets_have_a_table_for_each_architecture_on_each_data_set() -> None:
    attack = {"attack": "multi_trigger_multi_target (pruning-aware)", "trigger": "sunglasses", "target": "all-to-all"}
    rows = [averages(data="signs"), averages(**attack), averages(), averages(architecture="resnet")]
    several = list(tables.badnet_tables(pd.DataFrame(rows)))
    assert [str(table.title) for table in several] == [
        f"{about}, 20 epochs" for about in ("signs, 0.1, deepid", "faces, 0.1, deepid", "faces, 0.1, resnet")
    ]
    text = shown(several[1])
    assert text.count("100.0 ± 12.3") == 4
    assert "all-to-all" in text


def test_no_name_steers_the_terminal_or_is_taken_for_markup() -> None:
    table, text = Table("a [b] \x1b[31m"), StringIO()
    table.add_row("[/] \x1b]0;c\x07 http://me:s3cret@host")
    console(file=text, width=80, force_terminal=True).print(table)
    console(file=text, width=80).print("to [/d]\x1b")
    printed = text.getvalue()
    assert r"a [b] \x1b[31m" in printed and r"[/] \x1b]0;c" in printed and r"to [/d]\x1b" in printed
    assert "\x1b]0" not in printed and "\x1b[31m" not in printed and "s3cret" not in printed
