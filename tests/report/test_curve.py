"""The plots of a sweep show the rates of its table, each line, dot and mark where it belongs."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image
from plans import swept
from samples import pictures, split

from fineprune.data.split import Data
from fineprune.errors import FinepruneError
from fineprune.network.step import Silence, Step
from fineprune.report.curve import curve, layer_bars, save_figure
from fineprune.sweeping.run import Sweep

# Rows in which B, and then the nets of two steps, are mistaken.
VALID = [[], [0], [0, 1, 2, 3]]
TEST = [[0], [0, 1], [1, 2, 3, 4, 5]]
HAT = [[7], [0, 1], [0, 1, 2, 3, 4, 5]]


def sweep(tuned: bool = False, test: bool = True, attacks: int = 1) -> Sweep:
    poisoned = {name: split(pictures(8), 1) for name in ("hat", "scarf")[:attacks]}
    data = Data("d", split(pictures(20), 5), split(pictures(10), 5) if test else None, poisoned)
    mistakes = {"clean_valid": VALID} | ({"clean_test": TEST} if test else {}) | dict.fromkeys(poisoned, HAT)
    made = {"clean_valid": [], "clean_test": [0, 1, 2], **{name: [0, 1, 2, 3] for name in poisoned}}
    return swept(data, mistakes, [0.05, 0.5], {"5_percent": made} if tuned else None)


def axes(figure: Figure) -> Axes:
    (only,) = figure.axes
    return only


def lines(figure: Figure) -> dict[str, Line2D]:
    """What the legend names."""
    return {str(line.get_label()): line for line in axes(figure).lines if not str(line.get_label()).startswith("_")}


def points(line: Line2D) -> list[tuple[float, float]]:
    return [(float(x), round(float(y), 9)) for x, y in zip(*line.get_data(), strict=True)]


def test_lines_are_the_rates_of_each_net_against_the_share_pruned() -> None:
    assert {label: points(line) for label, line in lines(curve(sweep(), "title")).items()} == {
        "clean accuracy, B′": [(0, 0.9), (0.25, 0.8), (0.5, 0.5)],
        # Where B is mistaken, the GoodNet is never right.
        "clean accuracy, GoodNet": [(0, 0.9), (0.25, 0.8), (0.5, 0.4)],
        "ASR hat, B′": [(0, 0.875), (0.25, 0.75), (0.5, 0.25)],
        "ASR hat, GoodNet": [(0, 0.875), (0.25, 0.625), (0.5, 0.125)],
    }


def test_the_title_and_a_legend_of_every_line() -> None:
    figure = curve(sweep(tuned=True, attacks=2), "activation on faces")
    (legend,) = figure.legends
    assert axes(figure).get_title() == "activation on faces"
    assert [text.get_text() for text in legend.get_texts()] == list(lines(figure))
    assert len(lines(figure)) == 12


def test_a_net_is_told_by_its_stroke_and_what_is_measured_by_its_colour_and_mark() -> None:
    drawn = lines(curve(sweep(attacks=2), "title"))
    assert {label.endswith("B′"): line.get_linestyle() for label, line in drawn.items()} == {True: "--", False: "-"}
    colours = {label.split(",")[0]: line.get_color() for label, line in drawn.items()}
    assert len(set(colours.values())) == 3
    assert all(line.get_color() == colours[label.split(",")[0]] for label, line in drawn.items())
    assert len({(line.get_color(), line.get_marker()) for line in drawn.values()}) == 3
    assert len({line.get_marker() for line in drawn.values()}) == 3


def test_both_axes_read_in_percent() -> None:
    figure = curve(sweep(), "title")
    figure.draw_without_rendering()
    for axis in (axes(figure).xaxis, axes(figure).yaxis):
        places = {text.get_text(): axis.get_ticklocs()[number] for number, text in enumerate(axis.get_ticklabels())}
        assert (places["20%"], places["100%"]) == (pytest.approx(0.2), pytest.approx(1))


def marked(figure: Figure) -> dict[str, float]:
    """Where each text above the frame stands, and a dotted line with it."""
    places = {note.get_text(): note.xy[0] for note in axes(figure).texts}
    dotted = [line.get_xdata()[0] for line in axes(figure).lines if line.get_linestyle() == ":"]
    assert sorted(places.values()) == sorted(dotted)
    return places


def test_a_budget_is_marked_where_it_is_reached_or_at_the_end_if_it_never_is() -> None:
    assert marked(curve(sweep(), "title")) == {"5 %": 0.25, "50 % (never)": 0.5}


def budgets_at(falls: Sequence[float]) -> Sweep:
    """The accuracy on clean validation images falls by a tenth in each of four steps."""
    images = split(pictures(20), 5)
    return swept(Data("d", images), {"clean_valid": [[], [0, 1], [0, 1, 2, 3], range(6), range(8)]}, falls)


def test_budgets_at_one_step_share_a_mark() -> None:
    places = marked(curve(budgets_at([0.02, 0.04, 0.2, 0.5, 0.9]), "title"))
    assert places == {"2 %, 4 %": 0.25, "20 %": 0.5, "50 % (never), 90 % (never)": 1.0}


@pytest.mark.parametrize("amounts", [(0.4, 0.41, 0.42, 0.43), (0.01, 0.5, 0.99, 1), (0, 0.02, 0.97, 1)])
def test_no_text_of_a_budget_is_printed_over_another_nor_outside_the_picture(amounts: Sequence[float]) -> None:
    one = budgets_at([0.1, 0.2, 0.3, 0.9])
    counts = [round(100 * amount) for amount in amounts]
    steps = [Step([Silence("conv_1", np.arange(100) >= count)]) for count in counts]
    figure = curve(replace(one, plan=replace(one.plan, steps=steps)), "a title")
    FigureCanvasAgg(figure).draw()
    texts = [*axes(figure).texts, axes(figure).title]
    boxes = [Text.get_window_extent(text) for text in texts]  # without the line from an annotation to its place
    assert len(boxes) == 5
    assert not any(first.overlaps(second) for first, second in combinations(boxes, 2))
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)


def test_no_letter_is_too_small_for_a_phone() -> None:
    figure = curve(sweep(tuned=True, attacks=2), "title")
    figure.draw_without_rendering()
    letters = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text()]
    assert min(letters) * 390 / (72 * figure.get_figwidth()) >= 8  # a phone is 390 dots wide


def test_nothing_is_drawn_where_the_untouched_net_has_no_amount() -> None:
    one = sweep()
    steps = [replace(step, amount=u, amount_name="u") for step, u in zip(one.plan.steps, (3.0, 1.5), strict=True)]
    figure = curve(replace(one, plan=replace(one.plan, steps=steps)), "title")
    assert points(lines(figure)["ASR hat, B′"]) == [(3.0, 0.75), (1.5, 0.25)]
    assert axes(figure).get_xlabel() == "u"
    assert marked(figure) == {"5 %": 3.0, "50 % (never)": 1.5}


def test_what_fine_tuning_made_of_a_net_is_a_mark_hollow_for_the_pruned_net() -> None:
    dots = {label: line for label, line in lines(curve(sweep(tuned=True), "title")).items() if "fine-tuned" in label}
    assert {label: points(line) for label, line in dots.items()} == {
        "clean accuracy, B′, fine-tuned": [(0.25, 0.7)],
        "clean accuracy, GoodNet, fine-tuned": [(0.25, 0.7)],
        "ASR hat, B′, fine-tuned": [(0.25, 0.5)],
        "ASR hat, GoodNet, fine-tuned": [(0.25, 0.375)],
    }
    drawn = lines(curve(sweep(tuned=True), "title"))
    for label, dot in dots.items():
        assert dot.get_marker() == drawn[label.removesuffix(", fine-tuned")].get_marker()
        assert dot.get_linestyle() == "None"
        assert (dot.get_markerfacecolor() == "white") == ("B′" in label)


def test_two_budgets_at_the_same_amount_have_a_dot_each() -> None:
    one = sweep(tuned=True)
    equal = replace(one.plan, steps=[one.plan.steps[1]] * 2)
    both = replace(one, plan=equal, tuned=dict.fromkeys(one.points, one.tuned["5_percent"]))
    assert len(points(lines(curve(both, "title"))["ASR hat, B′, fine-tuned"])) == len(one.points) == 2


def test_without_test_images_the_accuracy_is_that_on_clean_validation() -> None:
    drawn = lines(curve(sweep(test=False), "title"))
    assert points(drawn["clean accuracy, B′"]) == [(0, 1), (0.25, 0.95), (0.5, 0.8)]
    assert "clean accuracy, GoodNet" not in drawn


def test_bars_are_the_zeros_of_each_layer_a_colour_a_net() -> None:
    shares = {
        "badnet": {"stem": 0.0, "conv": 0.1, "all": 0.05},
        "pruned_2_percent": {"stem": 0.0, "conv": 0.6, "all": 1.0},
    }
    rows = [(net, layer, share) for net, layers in shares.items() for layer, share in layers.items()]
    figure = layer_bars(pd.DataFrame(rows, columns=["net", "layer", "kernel_share_zero"]))
    assert [text.get_text() for text in axes(figure).get_xticklabels()] == ["stem", "conv"]
    heights = {bars.get_label(): [bar.get_height() for bar in bars] for bars in axes(figure).containers}
    assert heights == {"badnet": [0.0, 0.1], "pruned_2_percent": [0.0, 0.6]}


@pytest.mark.parametrize("layers", [3, 9])
def test_bars_of_layers_with_long_names_have_room(layers: int) -> None:
    rows = [("badnet", f"{number}{'W' * 200}", 0.5) for number in range(layers)]
    figure = layer_bars(pd.DataFrame(rows, columns=["net", "layer", "kernel_share_zero"]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(BytesIO())
    assert axes(figure).get_xticklabels()[0].get_text() == f"0{'W' * 4}…{'W' * 11}"


def small() -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.add_subplot().plot([0, 1])
    return figure


def test_a_figure_is_a_png_of_150_dots_an_inch(tmp_path: Path) -> None:
    save_figure(small(), tmp_path / "curve")
    with Image.open(tmp_path / "curve.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (300, 150))
        assert np.asarray(picture.convert("L")).min() < 128
    assert sorted(file.name for file in tmp_path.iterdir()) == ["curve.pdf", "curve.png"]


def test_a_figure_as_pdf_is_the_same_bytes_each_time_and_its_text_is_text(tmp_path: Path) -> None:
    for name in ("once", "again"):
        figure = small()
        figure.axes[0].set_title("sunglasses")
        save_figure(figure, tmp_path / name)
    once, again = ((tmp_path / name).read_bytes() for name in ("once.pdf", "again.pdf"))
    assert once == again
    assert once.startswith(b"%PDF")
    assert b"/FontFile2" in once  # a TrueType font, whose letters can be searched and copied


def test_a_figure_that_cannot_be_written_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(_: Figure, file: Path, **__: object) -> None:
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    (tmp_path / "curve.png").write_bytes(b"before")
    monkeypatch.setattr(Figure, "savefig", cut)
    with pytest.raises(FinepruneError, match="curve.png, got: No space left on device"):
        save_figure(small(), tmp_path / "curve")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("curve.png", b"before")]
