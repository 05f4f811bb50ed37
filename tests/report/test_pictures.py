"""The pages of pictures show the images that they are said to show, as they are."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from plans import swept
from samples import SHAPE, pictures, split

from fineprune.attacks import Patch
from fineprune.attacks.poisoning import PoisonedSplit
from fineprune.data.split import ArraySplit, Data, Split
from fineprune.report.pictures import SHOWN, failures, triggers
from fineprune.sweeping.run import Sweep

HEIGHT, WIDTH, _ = SHAPE
NOBODY = np.full(SHAPE, 255)
RED = Patch(target=2, size=2, place="top_left", pattern="plain", colour=(255, 0, 0))
GREEN = Patch(target=0, size=3, place="bottom_right", pattern="plain", colour=(0, 255, 0))


def sheet(axes: Axes) -> NDArray[np.uint8]:
    (image,) = axes.images
    return np.asarray(image.get_array())


def shown(strip: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """The images in a strip, and the white between them checked."""
    places = strip.reshape(HEIGHT, SHOWN, WIDTH + 2, 3)
    assert (places[:, :, WIDTH:] == 255).all()
    return [places[:, number, :WIDTH] for number in range(SHOWN)]


def expect(strip: NDArray[np.uint8], images: Split, rows: list[int]) -> None:
    """Those of `images` in `rows`, and nothing where there are fewer than fit."""
    expected = [images.pixels(row, row + 1)[0] for row in rows] + [NOBODY] * (SHOWN - len(rows))
    assert all(map(np.array_equal, shown(strip), expected))


def titles(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes]


def sweep(count: int = 8) -> Sweep:
    """On the clean test images B and then the nets of two steps are mistaken in these rows, and on poisoned ones."""
    data = Data("d", split(pictures(20), 5), split(pictures(10), 5), {"hat": split(pictures(count, seed=3), 1)})
    test, hat = [[0], [0, 1], [2, 3, 4]], [[7], [0, 1], [0, 1, 2, 7]]
    return swept(data, {"clean_valid": [[], [0], [0, 1]], "clean_test": test, "hat": hat}, [0.05, 0.5])


def test_at_each_point_what_the_goodnet_takes_for_the_target_and_what_it_rejects_in_vain() -> None:
    given = sweep()
    figure = failures(given)
    assert titles(figure) == [
        "5 %: clean_test, clean, rejected as backdoored, 1 of 10",
        "5 %: hat, poisoned, taken for the target, 5 of 8",
        "50 %: clean_test, clean, rejected as backdoored, 4 of 10",
        "50 %: hat, poisoned, taken for the target, 4 of 8",
    ]
    test, hat = given.plan.data.splits["clean_test"], given.plan.data.splits["hat"]
    # Both nets are mistaken about row 0 at 5 %: they agree, and the GoodNet is wrong, but rejects nothing.
    for axes, images, rows in zip(
        figure.axes, (test, hat, test, hat), ([1], [2, 3, 4, 5, 6], [0, 2, 3, 4], [3, 4, 5, 6]), strict=True
    ):
        expect(sheet(axes), images, rows)


def written(axes: Axes) -> list[list[str]]:
    """The lines of texts above the images, from the upper one on, each from left to right."""
    columns = [note.get_text().split("\n") for note in sorted(axes.texts, key=lambda note: note.xy[0])]
    return [list(line) for line in zip(*columns, strict=True)]


def test_above_each_image_stand_its_true_class_the_target_and_what_it_is_taken_for() -> None:
    given = sweep()
    hat = given.plan.data.splits["hat"]
    hat.true_labels = np.arange(8) % 5
    clean, poisoned = (written(axes) for axes in failures(given).axes[2:])
    # The labels of clean images are 0 to 4, and those of nets that are mistaken one more.
    assert clean == [
        ["true class", "0", "2", "3", "4"],
        ["B", "1", "2", "3", "4"],
        ["B′", "0", "3", "4", "5"],
    ]
    assert poisoned == [
        ["true class", "3", "4", "0", "1"],
        ["target", "0", "0", "0", "0"],
        ["GoodNet", "0", "0", "0", "0"],
    ]


def test_the_true_class_of_a_poisoned_image_may_be_unknown() -> None:
    assert written(failures(sweep()).axes[3])[0] == ["true class", *"????"]


def test_classes_stand_above_the_images_that_they_are_of() -> None:
    axes = failures(sweep()).axes[3]
    places = sorted({note.xy[0] for note in axes.texts})[1:]
    assert places == [place * (WIDTH + 2) + (WIDTH - 1) / 2 for place in range(4)]


def test_they_are_as_many_as_the_false_positives_and_the_attack_s_successes() -> None:
    given = sweep()
    for point, row in given.points.items():
        clean, hat = titles(failures(given))[2 * list(given.points).index(point) :][:2]
        assert clean.endswith(f", {round(10 * given.table['clean_test/goodnet_false_positive_rate'][row])} of 10")
        assert hat.endswith(f", {round(8 * given.table['hat/goodnet_asr'][row])} of 8")


def test_of_more_than_fit_some_are_shown_from_the_first_to_the_last() -> None:
    given = sweep(count=50)
    hat = given.plan.data.splits["hat"]
    wrong = [row for row in range(50) if row not in (0, 1, 7)]
    images = shown(sheet(failures(given).axes[1]))
    rows = [next(row for row in wrong if np.array_equal(hat.pixels(row, row + 1)[0], image)) for image in images]
    assert (rows[0], rows[-1]) == (2, 49)
    assert rows == sorted(set(rows))
    assert max(np.diff(rows)) <= 2 * len(wrong) / SHOWN


def test_a_sweep_without_test_and_poisoned_images_has_nothing_to_show() -> None:
    assert titles(failures(swept(Data("d", split(pictures(20), 2)), {"clean_valid": [[], [0]]}, [0.1]))) == []


def planted(attacks: dict[str, Patch]) -> tuple[Data, ArraySplit]:
    clean = split(pictures(9), 3)
    poisoned = {name: PoisonedSplit(clean, attack, 3) for name, attack in attacks.items()}
    return Data("d", clean_test=clean, poisoned=poisoned), clean


def test_each_trigger_is_shown_on_images_of_other_classes_beside_them_without_it() -> None:
    data, clean = planted({"red": RED, "green": GREEN})
    figure = triggers(data)
    assert [title.split(":")[0] for title in titles(figure)] == ["red", "green"]
    for axes, target, corner, colour in (
        (figure.axes[0], 2, np.s_[:2, :2], (255, 0, 0)),
        (figure.axes[1], 0, np.s_[-3:, -3:], (0, 255, 0)),
    ):
        before, after, _ = np.split(sheet(axes), 3)
        rows = np.flatnonzero(clean.labels != target)
        expect(before, clean, list(rows))
        for image, row in zip(shown(after), rows, strict=False):
            stamped = clean.pixels(row, row + 1)[0]
            stamped[corner] = colour
            assert np.array_equal(image, stamped)


def test_the_difference_is_the_trigger_alone_its_largest_as_bright_as_can_be() -> None:
    data, _ = planted({"red": RED})
    difference = np.split(sheet(triggers(data).axes[0]), 3)[2].reshape(HEIGHT, SHOWN, WIDTH + 2, 3)
    assert difference.max() == 255
    assert difference[:2, :6, :2].any(axis=(0, 2, 3)).all()
    difference[:2, :, :2] = 0
    assert not difference.any()


def test_poisoned_images_from_a_file_have_no_clean_ones_to_stand_beside() -> None:
    assert triggers(Data("d", poisoned={"hat": split(pictures(4), 1)})).axes == []
