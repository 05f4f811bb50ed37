"""The pictures of a comparison show the figures of its tables: each mark, line and bar at its place."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from sweeps import STEPS, grid, sweep

from fineprune.comparison import figure_style, figures, statistics
from fineprune.comparison.contents import Comparison
from fineprune.report.palette import INK, MARKERS, REST, look

METHOD, TUNED = "ours", "ours + fine-tuning"
LOOKS = {METHOD: look(0), TUNED: look(0), "theirs": look(1)}
SCALE = (0.5, 1.0)


def rates(method: str, point: str, accuracy: float, asr: float, spread: float = np.nan) -> dict[str, object]:
    """A row of `ranking.per_attack`: the GoodNet's rates, B′'s a tenth higher, and 95 % intervals of the GoodNet's."""
    row: dict[str, object] = {"method": method, "point": point, "badnet_accuracy": 0.95, "badnet_asr": 1.0}
    for net, more in (("goodnet", 0.0), ("pruned", 0.1)):
        for rate, value in (("accuracy", accuracy + more), ("asr", asr + more)):
            name = f"{net}_{rate}"
            row |= {name: value, f"{name}_low": value - spread, f"{name}_high": value + spread}
    return row


TABLE = pd.DataFrame(
    [
        rates(METHOD, "2_percent", 0.8, 0.6),
        rates(TUNED, "2_percent", 0.7, 0.5, spread=0.05),
        rates("theirs", "end", 0.6, 0.7),
    ]
)


def marks(panel: Axes) -> list[Line2D]:
    return [line for line in panel.lines if line.get_marker() not in ("None", "", None)]


def legend(figure: Figure) -> dict[str, Line2D]:
    [box] = figure.legends
    handles = [handle for handle in box.legend_handles if isinstance(handle, Line2D)]
    names = [text.get_text() for text in box.get_texts()]
    return {name: handle for name, handle in zip(names, handles, strict=True) if name.strip()}


def place(line: Line2D) -> tuple[float, float]:
    return tuple(round(float(np.asarray(values)[0]), 9) for values in line.get_data())  # type: ignore[return-value]


def test_a_mark_for_each_method_and_budget_at_its_accuracy_and_asr() -> None:
    goodnet, pruned = figures.trade_off(TABLE, LOOKS, SCALE).axes
    assert list(map(place, marks(goodnet))) == [(0.8, 0.6), (0.7, 0.5), (0.6, 0.7), (0.95, 1.0)]
    assert list(map(place, marks(pruned))) == [(0.9, 0.7), (0.8, 0.6), (0.7, 0.8), (0.95, 1.0)]
    assert [panel.get_title() for panel in (goodnet, pruned)] == ["GoodNet", "B′, the pruned net alone"]
    assert (goodnet.get_xlabel(), goodnet.get_ylabel()) == ("clean accuracy, %", "ASR, %")


def test_a_mark_tells_the_budget_by_its_size_the_method_by_form_and_colour_and_fine_tuning_by_being_full() -> None:
    figure = figures.trade_off(TABLE, LOOKS, SCALE)
    ours, tuned, theirs, untouched = marks(figure.axes[0])
    assert ours.get_markersize() == tuned.get_markersize() < theirs.get_markersize()
    for mark, name in ((ours, METHOD), (tuned, TUNED), (theirs, "theirs")):
        assert (mark.get_color(), mark.get_marker()) == (LOOKS[name].colour, LOOKS[name].marker)
    assert (ours.get_markerfacecolor(), tuned.get_markerfacecolor()) == ("none", LOOKS[TUNED].colour)
    named = legend(figure)
    assert list(named) == [*LOOKS, "at 2 %", "last step", "untouched BadNet", "Pareto front"]
    assert [named[name].get_marker() for name in (*LOOKS, "untouched BadNet")] == [
        *(line.get_marker() for line in (ours, tuned, theirs, untouched))
    ]
    assert [named[name].get_markersize() for name in ("at 2 %", "last step")] == [
        *(line.get_markersize() for line in (ours, theirs))
    ]


def test_pictures_of_all_attacks_have_the_same_scales() -> None:
    other = pd.DataFrame([rates(METHOD, "2_percent", 0.2, 0.1)])
    scale = figures.accuracy_scale(pd.concat([TABLE, other]))
    low, high = scale
    assert low < 0.2 and high > 0.95
    for table in (TABLE, other):
        for panel in figures.trade_off(table, LOOKS, scale).axes:
            assert panel.get_xlim() == scale
            assert panel.get_ylim() == figures.WHOLE


def test_a_scale_reaches_round_the_intervals_too() -> None:
    low, high = figures.accuracy_scale(pd.DataFrame([rates(METHOD, "2_percent", 0.7, 0.5, spread=0.6)]))
    assert low < 0.1 and high > 1.3
    assert figures.accuracy_scale(TABLE.iloc[:0]) == figures.WHOLE


def test_what_was_not_measured_is_neither_drawn_nor_named() -> None:
    unmeasured = pd.DataFrame([rates(TUNED, "2_percent", np.nan, np.nan)])
    figure = figures.trade_off(pd.concat([TABLE[TABLE["method"] == "theirs"], unmeasured]), LOOKS, SCALE)
    assert set(LOOKS) & set(legend(figure)) == {"theirs"}


def test_intervals_are_drawn_through_the_mark_where_there_are_any() -> None:
    goodnet, pruned = figures.trade_off(TABLE, LOOKS, SCALE).axes
    assert [len(panel.collections) for panel in (goodnet, pruned)] == [2, 2]
    across, along = (lines.get_segments()[0] for lines in goodnet.collections)  # type: ignore[attr-defined]
    assert across == pytest.approx(np.array([[0.65, 0.5], [0.75, 0.5]]))
    assert along == pytest.approx(np.array([[0.7, 0.45], [0.7, 0.55]]))


def test_the_front_joins_what_no_other_beats_the_untouched_net_included() -> None:
    front = figures.trade_off(TABLE, LOOKS, SCALE).axes[0].lines[0]
    assert front.get_linestyle() == "--"
    assert np.transpose(front.get_data()) == pytest.approx(np.array([[0.95, 1.0], [0.8, 0.6], [0.7, 0.5]]))


def test_both_scales_read_in_percent() -> None:
    figure = figures.trade_off(TABLE, LOOKS, SCALE)
    for axis in (figure.axes[0].xaxis, figure.axes[0].yaxis):
        assert axis.get_major_formatter()(0.25, 0) == "25"


def steps(*rows: tuple[float, float, float]) -> pd.DataFrame:
    columns = ["fraction_pruned", "clean_test/goodnet_accuracy", "patch/goodnet_asr"]
    return pd.DataFrame(rows, columns=columns)


def at(line: Line2D, fraction: float) -> float:
    x, y = map(np.asarray, line.get_data())
    return float(y[np.isclose(x, fraction)][0])


def test_a_curve_holds_each_step_s_rates_until_the_next_averaged_over_seeds() -> None:
    seeds = [steps((0, 1, 1), (0.5, 0.8, 0.4), (1, 0, 0)), steps((0, 1, 1), (0.25, 0.6, 0.2), (1, 0, 0))]
    accuracy, asr = figures.curves({METHOD: seeds}, LOOKS, "fraction_pruned").axes
    assert [round(at(accuracy.lines[0], x), 9) for x in (0, 0.2, 0.25, 0.4, 0.5, 0.9, 1)] == [
        1,
        1,
        0.8,
        0.8,
        0.7,
        0.7,
        0,
    ]
    assert [round(at(asr.lines[0], x), 9) for x in (0, 0.25, 0.5, 1)] == [1, 0.6, 0.3, 0]
    assert accuracy.lines[0].get_color() == LOOKS[METHOD].colour
    assert accuracy.get_xlabel() == "pruned, %"


def test_the_band_goes_from_the_lowest_seed_to_the_highest() -> None:
    seeds = [steps((0, 0.9, 1), (1, 0.9, 1)), steps((0, 0.5, 1), (1, 0.5, 1)), steps((0, 0.6, 1), (1, 0.6, 1))]
    [band] = figures.curves({METHOD: seeds}, LOOKS, "fraction_pruned").axes[0].collections
    corners = band.get_paths()[0].vertices
    assert (corners[:, 1].min(), corners[:, 1].max()) == (0.5, 0.9)


def test_a_curve_ends_where_the_first_of_its_seeds_does() -> None:
    seeds = [steps((0, 1, 1), (0.5, 0.8, 0.4)), steps((0, 1, 1), (1, 0, 0))]
    line = figures.curves({METHOD: seeds}, LOOKS, "fraction_pruned").axes[0].lines[0]
    assert np.asarray(line.get_xdata()).max() == pytest.approx(0.5)


def test_the_legend_names_the_curves_that_there_are() -> None:
    line = [steps((0, 1, 1), (1, 0, 0))]
    figure = figures.curves({"theirs": line, METHOD: line}, LOOKS, "fraction_pruned")
    assert {name: (handle.get_color(), handle.get_marker()) for name, handle in legend(figure).items()} == {
        name: (LOOKS[name].colour, LOOKS[name].marker) for name in (METHOD, "theirs")
    }
    for panel in figure.axes:
        assert [(line.get_color(), line.get_marker(), line.get_linestyle()) for line in panel.lines] == [
            (LOOKS[name].colour, LOOKS[name].marker, LOOKS[name].stroke) for name in ("theirs", METHOD)
        ]


def by_epoch(*rows: tuple[float, float, float]) -> pd.DataFrame:
    """From the untouched net on, which no epoch made."""
    return steps((np.nan, 1, 1), *rows).rename(columns={"fraction_pruned": "epoch"}).assign(fraction_pruned=0.0)


def test_a_strategy_that_goes_by_epochs_is_drawn_against_them_where_it_was_measured() -> None:
    seeds = [by_epoch((1, 0.9, 0.5), (3, 0.8, 0.1)), by_epoch((1, 0.9, 0.7), (2, 0.9, 0.5), (3, 0.8, 0.3))]
    accuracy, asr = figures.curves({METHOD: seeds}, LOOKS, "epoch").axes
    assert [round(at(asr.lines[0], x), 9) for x in (1, 2, 3)] == [0.6, 0.5, 0.2]
    assert list(map(float, asr.lines[0].get_xdata())) == [1, 2, 3]
    assert accuracy.get_xlabel() == "epoch"
    accuracy.figure.draw_without_rendering()
    assert {float(text.get_text()) for text in accuracy.get_xticklabels()} >= {1, 2, 3}


def test_a_comparison_draws_what_goes_by_the_same_amount_in_one_picture() -> None:
    tuned = by_epoch((1, 0.9, 0.5), (2, 0.8, 0.1))
    epochs = [sweep(name, steps=tuned, tags={"amount": "epoch"}) for name in ("unlearns", "distils")]
    curves = Comparison([*grid({METHOD: [0.2], "theirs": [0.5]}), *epochs], "trial").curves
    assert [drawing.title for drawing in curves] == ["Under patch", "Under patch, by epoch"]
    assert [set(legend(drawing.draw())) for drawing in curves] == [{METHOD, "theirs"}, {"unlearns", "distils"}]
    assert "against epoch" in curves[1].alt


def test_a_run_without_the_steps_that_it_names_is_left_out() -> None:
    assert Comparison([sweep(tags={"amount": "epoch"})], "trial").curves == []


RANKS = pd.Series({METHOD: 1.25, "theirs": 2.0, TUNED: 2.75})
TESTS = statistics.Tests(8, 6, RANKS, 0.01, 0.8, pd.DataFrame())


def dots_of(axes: Axes) -> list[Line2D]:
    return [line for line in axes.lines if line.get_marker() in MARKERS]


def test_average_ranks_the_best_on_top_each_with_its_figure() -> None:
    [axes] = figures.critical_differences(TESTS, LOOKS).axes
    dots = dots_of(axes)
    assert list(map(place, dots)) == [(1.25, 0), (2.0, 1), (2.75, 2)]
    assert [text.get_text() for text in axes.get_yticklabels()] == list(RANKS.index)
    assert [note.get_text() for note in axes.texts] == ["1.25", "2.00", "2.75", "critical difference 0.80"]
    low, high = axes.get_ylim()
    assert low > high


def test_bars_join_the_methods_that_cannot_be_told_apart_and_the_ruler_is_as_long_as_that_takes() -> None:
    [axes] = figures.critical_differences(TESTS, LOOKS).axes
    bars = [list(map(float, np.asarray(line.get_ydata()))) for line in axes.lines if not line.get_clip_on()]
    assert bars == [[-0.25, 1.25], [0.75, 2.25]]
    [ruler] = [line for line in axes.lines if line.get_marker() == "|"]
    assert np.asarray(ruler.get_xdata()).tolist() == [1, pytest.approx(1.8)]


def test_a_comparison_draws_the_rows_of_its_own_tables() -> None:
    comparison = Comparison(grid({METHOD: [0.2, 0.4], "theirs": [0.5, 0.7]}), "trial")
    [drawing] = comparison.trade_offs
    drawn = {place(line) for line in marks(drawing.draw().axes[0])}
    table = comparison.tables["attacks"]
    expected = set(zip(table["goodnet_accuracy"].round(9), table["goodnet_asr"].round(9), strict=True))
    assert drawn == expected | {(1.0, 1.0)}
    [curves] = comparison.curves
    assert [at(line, 0.5) for line in curves.draw().axes[1].lines] == [STEPS["patch/goodnet_asr"][1]] * 2


def test_methods_have_the_look_of_their_strategy_and_are_grey_when_the_colours_are_used_up() -> None:
    names = [f"m{number}" for number in range(9)]
    looks = figure_style.looks([*names, "m0 + fine-tuning"])
    assert looks["m0"] == looks["m0 + fine-tuning"]
    assert len({looks[name].colour for name in names[:7]}) == 7
    assert looks["m7"].colour == looks["m8"].colour == REST


@pytest.mark.parametrize(
    ("name", "shown"),
    [("plain", "plain"), ("_hidden", " _hidden"), ("a" * 24 + "b" * 50 + "c" * 23, "a" * 24 + "…" + "c" * 23)],
)
def test_a_name_in_a_legend(name: str, shown: str) -> None:
    assert figure_style.label(name) == shown


def test_a_legend_s_columns_are_padded_to_the_same_height_for_which_the_figure_grows() -> None:
    figure = Figure(figsize=(7, 2))
    figure_style.legend(figure, [Line2D([], [], label=name) for name in "abc"], [Line2D([], [], label="d")])
    [box] = figure.legends
    assert [text.get_text() for text in box.get_texts()] == ["a", "b", "c", "d", " ", " "]
    assert figure.get_figheight() == pytest.approx(2 + 3 * 0.19)


def test_an_svg_is_in_dark_ink_on_no_ground_and_its_text_is_text() -> None:
    text = figure_style.svg(lambda: figures.trade_off(TABLE, LOOKS, SCALE))
    assert INK in text and figure_style.FAINT in text
    assert not any(dark in text for dark in figure_style.DARK.values())
    assert "fill: #ffffff; stroke: #ffffff" not in text
    assert ">untouched BadNet</text>" in text


def test_on_a_dark_page_an_svg_turns_its_ink_and_grid_and_nothing_else() -> None:
    light = figure_style.svg(lambda: figures.trade_off(TABLE, LOOKS, SCALE))
    both = figure_style.in_both_themes(light)
    (style,) = re.findall("<style>@media .*?</style>", both)
    assert both.replace(style, "") == light
    selectors = re.findall(r'\[style\*="(\w+: #\w+)"\] \{ (\w+: #\w+) !important \}', style)
    turned = {one.split(": ")[1]: other.split(": ")[1] for one, other in selectors}
    assert turned == figure_style.DARK
    assert f"stroke: {figure_style.FAINT};" in light  # the grid
    assert f"fill: {INK}" in light  # the texts


def test_a_dollar_in_a_name_is_a_dollar() -> None:
    comparison = Comparison([sweep("$x_1$", seed) for seed in (0, 1)], "trial")
    [drawing] = comparison.trade_offs
    assert "$x_1$" in {text.get_text() for box in drawing.draw().legends for text in box.get_texts()}
    assert "$x_1$</text>" in drawing.svg


def test_marks_keep_the_colours_of_their_methods() -> None:
    figure = figures.critical_differences(TESTS, LOOKS)
    dots = dots_of(figure.axes[0])
    assert [dot.get_color() for dot in dots] == [LOOKS[method].colour for method in RANKS.index]


UNTOUCHED = {"patch": 1.0, "blend": 0.3}


def left(method: str, attack: str, asr: float, price: float = 0.02, **about: bool) -> dict[str, Any]:
    flags = {"removed": False, "control": False, "oracle": False} | about
    return {"method": method, "attack": attack, "goodnet_asr": asr, "price": price, **flags}


LEFT = pd.DataFrame(
    [
        left("tac", "patch", 0.0, oracle=True),
        left("none", "patch", 1.0, 0.0, control=True),
        left(METHOD, "patch", 0.5, -0.004),
        left(METHOD, "blend", 0.07, 0.021, removed=True),
        left(TUNED, "patch", 0.25, np.nan),
        left(TUNED, "blend", np.nan),
    ]
)


def matrix(table: pd.DataFrame = LEFT, untouched: Mapping[str, float] = UNTOUCHED) -> Axes:
    [axes] = figures.matrix(table, untouched, {"blend"}).axes
    return axes


def cells(axes: Axes) -> dict[tuple[str, str], str]:
    """What is written in each cell, by its row's name and its column's."""
    names = [
        {round(float(place), 3): label.get_text() for place, label in zip(axis.get_ticklocs(), labels, strict=True)}
        for axis, labels in ((axes.yaxis, axes.get_yticklabels()), (axes.xaxis, axes.get_xticklabels()))
    ]
    texts: dict[tuple[str, str], str] = {}
    for box in boxes(axes):
        row, column = (
            round(middle, 3) for middle in (box.get_y() + box.get_height() / 2, box.get_x() + box.get_width() / 2)
        )
        inside = [
            text for text in axes.texts if abs(text.get_position()[1] - row) < 0.5 and text.get_position()[0] == column
        ]
        texts[names[0][row], names[1][column]] = " / ".join(text.get_text() for text in inside if text.get_text())
    return texts


def boxes(axes: Axes) -> list[Rectangle]:
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def test_the_matrix_says_what_each_method_leaves_of_each_attack_and_its_price() -> None:
    assert cells(matrix()) == {
        ("untouched", "patch"): "100",
        ("untouched", "blend (weak)"): "30",
        (METHOD, "patch"): "50 / +0.4",
        (METHOD, "blend (weak)"): "7 ✓ / −2.1",
        (TUNED, "patch"): "25",
        ("none (control)", "patch"): "100 / +0.0",
        ("tac (oracle)", "patch"): "0 / −2.0",
    }


def test_the_untouched_network_is_on_top_controls_and_oracles_below_what_is_compared() -> None:
    axes = matrix()
    rows = [label.get_text() for label in axes.get_yticklabels()]
    assert rows == ["untouched", METHOD, TUNED, "none (control)", "tac (oracle)"]
    assert list(axes.get_yticks()) == sorted(axes.get_yticks())
    low, high = axes.get_ylim()
    assert low > high


def test_a_cell_is_darker_the_more_is_left_of_the_attack() -> None:
    asrs = dict.fromkeys(map(str, range(0, 101, 10)))
    axes = matrix(LEFT.iloc[:0], {name: int(name) / 100 for name in asrs})
    lightness = [luminance(box.get_facecolor()) for box in boxes(axes)]
    assert lightness == sorted(lightness, reverse=True)


def test_the_text_of_every_cell_is_readable_on_its_ground() -> None:
    asrs = np.linspace(0, 1, 101)
    axes = matrix(LEFT.iloc[:0], {str(asr): float(asr) for asr in asrs})
    texts = [text for text in axes.texts if text.get_text()]
    for box, text in zip(boxes(axes), texts, strict=True):
        dark, light = sorted(map(luminance, (box.get_facecolor(), text.get_color())))
        assert (light + 0.05) / (dark + 0.05) > 4.5  # WCAG 2.2, level AA
        assert text.get_color() not in figure_style.DARK


def luminance(colour: Any) -> float:
    rgb = np.array(to_rgb(colour))
    return float([0.2126, 0.7152, 0.0722] @ np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4))


@pytest.mark.parametrize("weak", [set(), {"blend"}])
def test_the_key_explains_the_marks_that_there_are(weak: set[str]) -> None:
    table = LEFT if weak else LEFT.assign(removed=False)
    key = figures.matrix(table, UNTOUCHED, weak).get_supxlabel()
    assert ("weak: " in key, "✓: " in key) == (bool(weak), bool(weak))
