"""The picture of channels shows the means of their activations where they belong, and what excites them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
import tf_keras as keras
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from nets import residual, seeded, tiny
from numpy.typing import NDArray
from plans import swept
from samples import SHAPE, pictures, split
from tf_keras import layers

from fineprune.attacks import Patch
from fineprune.attacks.poisoning import PoisonedSplit
from fineprune.data.scaling import Scaling
from fineprune.data.split import ArraySplit, Data
from fineprune.network.network import Network
from fineprune.network.step import Cap, Mask, Scale, Silence, Step
from fineprune.report.channels import IMAGES, SHOWN, channels, first_pruned
from fineprune.report.palette import look
from fineprune.sweeping.run import Sweep

HEIGHT, WIDTH, _ = SHAPE
CORNER = Patch(target=0, size=3, place="top_left", pattern="plain", colour=(255, 255, 255))


def order(layer: str, ranked: Sequence[int], size: int) -> list[Step]:
    """Channels of `layer` that are silenced one by one."""
    keep = np.ones(size)
    steps = []
    for channel in ranked:
        keep[channel] = 0
        steps.append(Step([Silence(layer, keep.copy())]))
    return steps


def sweep(
    steps: Sequence[Step],
    model: keras.Model | None = None,
    triggers: Sequence[str] = ("hat",),
) -> Sweep:
    """Accuracy on clean validation images falls by a tenth in each step."""
    poisoned = {name: split(pictures(20, seed=seed), 1) for seed, name in enumerate(triggers, 5)}
    data = Data("d", split(pictures(20, seed=1), 5), split(pictures(30, seed=2), 5), poisoned)
    mistakes = {
        name: [range(2 * row) for row in range(len(steps) + 1)] for name in ("clean_valid", "clean_test", *poisoned)
    }
    one = swept(data, mistakes, [0.1, 0.5])
    return replace(one, plan=replace(one.plan, steps=steps, network=Network(model or tiny())))


def drawn(one: Sweep) -> Figure:
    figure = channels(one)
    assert figure is not None
    return figure


def panels(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_xlabel()]


def strips(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.images]


def means(axes: Axes) -> dict[str, list[float]]:
    """The heights of the bars, and of each line, in the order of pruning."""
    return {
        str(stairs.get_label()): list(stairs.get_data()[0]) for stairs in axes.patches if isinstance(stairs, StepPatch)
    }


def measured(one: Sweep, layer: str, name: str) -> NDArray[np.float64]:
    return one.plan.network.mean_activation(layer, one.plan.data.splits[name])


RANKED = [2, 0, 3, 1]


def test_means_of_clean_and_poisoned_images_stand_in_the_order_of_pruning() -> None:
    one = sweep(order("conv_1", RANKED, 4))
    (axes,) = panels(drawn(one))
    expected = {"clean": "clean_test", "hat": "hat"}
    assert means(axes) == {
        kind: pytest.approx(measured(one, "conv_1", name)[RANKED]) for kind, name in expected.items()
    }
    assert axes.get_xlabel() == "channels of conv_1, in the order of pruning"


def test_a_budget_stands_behind_the_last_channel_that_is_pruned_for_it() -> None:
    (axes,) = panels(drawn(sweep(order("conv_1", RANKED, 4))))
    assert [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":"] == [4.5, 1.5]
    assert {"10 %", "50 % (never)"} < {note.get_text() for note in axes.texts}


def test_channels_that_are_never_pruned_come_last() -> None:
    one = sweep(order("conv_1", [3, 1], 4))
    (axes,) = panels(drawn(one))
    assert means(axes)["clean"] == pytest.approx(measured(one, "conv_1", "clean_test")[[3, 1, 0, 2]])
    assert axes.get_xlabel().endswith("; the last 2, grey, are never pruned")


def test_the_channels_that_rise_most_are_named_where_they_stand_and_drawn() -> None:
    one = sweep(order("conv_1", RANKED, 4))
    figure = drawn(one)
    rise = measured(one, "conv_1", "hat") - measured(one, "conv_1", "clean_test")
    first, second = np.argsort(-rise)[:2]
    places = {note.get_text(): note.xy[0] for note in panels(figure)[0].texts if "%" not in note.get_text()}
    assert places == {str(channel): RANKED.index(channel) + 1 for channel in (first, second)}
    titles = [axes.get_title(loc="left") for axes in strips(figure)]
    assert [title.split(" of ")[0] for title in titles] == [f"channel {first}", f"channel {second}"]


def two_alike(first: int, second: int) -> keras.Model:
    """A network of 60 channels, of which two emit the brightness at each place and the others nothing."""
    image = layers.Input(SHAPE, name="image")
    x = layers.Conv2D(60, 1, use_bias=False, activation="relu", name="conv")(image)
    model = keras.Model(image, layers.Dense(5, name="output")(layers.GlobalMaxPooling2D(name="pool")(x)))
    kernel = np.zeros((1, 1, 3, 60), np.float32)
    kernel[..., [first, second]] = 1
    model.get_layer("conv").set_weights([kernel])
    return model


@pytest.mark.parametrize(("second", "named"), [(11, ["10"]), (40, ["10", "40"])])
def test_the_number_of_a_channel_is_left_out_where_it_would_be_printed_over_another(
    second: int, named: list[str]
) -> None:
    one = sweep(order("conv", range(60), 60), two_alike(10, second))
    dark = ArraySplit(np.zeros((20, *SHAPE), np.uint8), np.arange(20) % 5, Scaling(1 / 255))
    data = Data("d", dark, dark, {"hat": PoisonedSplit(dark, CORNER, 5)})
    figure = drawn(replace(one, plan=replace(one.plan, data=data)))
    assert [note.get_text() for note in panels(figure)[0].texts if note.get_text().isdecimal()] == named
    titles = [axes.get_title(loc="left").split(" of ")[0] for axes in strips(figure)]
    assert titles == ["channel 10", f"channel {second}"]  # drawn all the same


def test_each_of_several_triggers_has_a_line_and_a_channel() -> None:
    figure = drawn(sweep(order("conv_1", RANKED, 4), triggers=("hat", "scarf", "tie")))
    lines = {str(line.get_label()): line for line in panels(figure)[0].patches if isinstance(line, StepPatch)}
    assert list(lines) == ["clean", "hat", "scarf", "tie"]
    assert [line.get_linestyle() for line in list(lines.values())[1:]] == [look(number).stroke for number in (1, 2, 3)]
    assert [axes.get_title(loc="left").split()[-1] for axes in strips(figure)] == ["hat", "scarf", "tie"]


def test_the_legend_says_how_many_images_the_means_are_over() -> None:
    (legend,) = drawn(sweep(order("conv_1", RANKED, 4))).legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == ["clean, mean over 30 images", "hat, mean over 20 images"]


def test_of_many_images_a_few_hundred_are_read() -> None:
    one = sweep(order("conv_1", RANKED, 4))
    large = Data("d", one.plan.data.clean_valid, split(pictures(1000), 5), {"hat": split(pictures(900), 1)})
    figure = drawn(replace(one, plan=replace(one.plan, data=large)))
    assert [text.get_text().split()[-2] for text in figure.legends[0].get_texts()] == [str(IMAGES)] * 2


def bright_corner() -> keras.Model:
    """A network whose first channel emits the brightness at each place, whose second emits nothing."""
    image = layers.Input(SHAPE, name="image")
    x = layers.Conv2D(2, 1, use_bias=False, activation="relu", name="conv")(image)
    x = layers.Dense(5, name="output")(layers.GlobalMaxPooling2D(name="pool")(x))
    model = keras.Model(image, x)
    model.get_layer("conv").set_weights([np.array([[[[1, 0], [1, 0], [1, 0]]]], np.float32)])
    return model


def test_a_map_is_bright_where_the_channel_is_excited_and_grey_where_it_is_not() -> None:
    dark = ArraySplit(np.zeros((20, *SHAPE), np.uint8), np.arange(20) % 5, Scaling(1 / 255))
    steps = order("conv", [0, 1], 2)
    one = sweep(steps, bright_corner())
    data = Data("d", dark, dark, {"hat": PoisonedSplit(dark, CORNER, 5)})
    figure = drawn(replace(one, plan=replace(one.plan, data=data)))
    strip = np.asarray(strips(figure)[0].images[0].get_array())
    images = [strip[:, place * (WIDTH + 3) :][:, :WIDTH] for place in range(2 * SHOWN)]
    assert not np.any(images[:SHOWN])
    for image in images[SHOWN:]:
        assert image[:3, :3].any(axis=-1).all()
        image[:3, :3] = 0
        assert not image.any()


def everywhere(kind: type[Scale] | type[Silence], sizes: Mapping[str, int]) -> list[Step]:
    """One channel in each layer, then two."""
    return [Step([kind(name, np.arange(size) >= row) for name, size in sizes.items()]) for row in (1, 2)]


def stack() -> keras.Model:
    """Four convolutions one behind the other."""
    x = image = layers.Input(SHAPE, name="image")
    for number in range(4):
        x = layers.Conv2D(3, 2, activation="relu", name=f"conv_{number}")(x)
    return seeded(keras.Model(image, layers.Dense(5, name="output")(layers.Flatten()(x))), 0)


@pytest.mark.slow
def test_of_several_layers_the_three_in_which_a_channel_rises_most_are_drawn() -> None:
    one = sweep(everywhere(Silence, {f"conv_{number}": 3 for number in range(4)}), stack())
    rises = {}
    for name, unit in one.plan.network.units.items():
        clean, hat = (measured(one, unit.end, split) for split in ("clean_test", "hat"))
        rises[name] = (hat - clean).max() / np.abs(clean).mean()
    assert len(rises) == 4
    drawn_layers = [axes.get_xlabel().split()[2].strip(",") for axes in panels(drawn(one))]
    assert drawn_layers == sorted(rises, key=lambda name: -rises[name])[:3]


def test_it_works_on_scaled_normalisations_of_a_residual_network() -> None:
    network = Network(residual())
    sizes = {name: int(network.model.get_layer(name).moving_mean.shape[0]) for name in network.norms}
    figure = drawn(sweep(everywhere(Scale, sizes), residual()))
    assert {axes.get_xlabel().split()[2].strip(",;") for axes in panels(figure)} <= set(sizes)
    assert len(panels(figure)) == min(3, len(sizes))


def test_a_layer_whose_activations_overflow_is_left_out() -> None:
    model = bright_corner()
    model.get_layer("conv").set_weights([np.full((1, 1, 3, 2), 3e38, np.float32)])
    assert channels(sweep(order("conv", [0, 1], 2), model)) is None


def test_channels_of_dense_layers_have_means_but_no_maps() -> None:
    figure = drawn(sweep(order("hidden", range(8), 8)))
    assert len(panels(figure)) == 1
    assert strips(figure) == []


def test_it_is_the_same_each_time() -> None:
    one = sweep(order("conv_1", RANKED, 4))
    first, again = drawn(one), drawn(one)
    assert means(panels(first)[0]) == means(panels(again)[0])
    for ours, theirs in zip(strips(first), strips(again), strict=True):
        assert np.array_equal(ours.images[0].get_array(), theirs.images[0].get_array())


KERNEL = np.zeros((3, 3, 3, 4))


@pytest.mark.parametrize(
    "edit", [None, Mask("conv_1", KERNEL), Cap("conv_1", np.zeros(4)), Silence("conv_1", np.ones(4))]
)
def test_without_an_order_of_channels_there_is_no_picture(edit: Mask | Cap | Silence | None) -> None:
    steps = [Step([edit] if edit else [])] * 2
    assert first_pruned(steps) == {}
    assert channels(sweep(steps)) is None


def test_without_poisoned_images_there_is_no_picture() -> None:
    assert channels(sweep(order("conv_1", RANKED, 4), triggers=())) is None


def test_the_row_at_which_each_channel_is_pruned_first() -> None:
    factors = [[1, 0.5, 1], [0, 0.5, 1], [1, 0, 1]]
    (rows,) = first_pruned([Step([Silence("conv_1", np.array(row))]) for row in factors]).values()
    assert list(rows) == [2, 3, np.inf]
