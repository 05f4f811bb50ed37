"""What a comparison leaves behind: sentences, tables for papers, pictures and the page, also in odd cases."""

import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from sweeps import STEPS, grid, sweep

from fineprune.comparison import Comparison, page, shown, terminal, writing
from fineprune.comparison.plots import svg
from fineprune.logged import Finished

HELD = "\N{NO-BREAK SPACE}"
CLEAR = {"ours": [0.10, 0.12, 0.14] * 2, "theirs": [0.5, 0.6, 0.7] * 2}


def compared(runs: list[Finished]) -> Comparison:
    return Comparison(runs, "Experiment trial")


def test_a_verdict_says_who_is_first_with_which_rates_and_how_sure_that_is() -> None:
    (verdict,) = compared(grid(CLEAR)).answers
    assert (verdict.leaders, verdict.name) == ("ours", "2 %")
    # mean 12, standard deviation √(8 / 5) = 1.789, t(0.975, 5) = 2.5706: 12 ± 1.877
    assert verdict.place.replace(HELD, " ") == (
        "ranks first of 2: ASR 12.0 % [10.1, 13.9] (untouched 100.0 %), "
        "clean accuracy 90.0 % [90.0, 90.0] (untouched 100.0 %)"
    )
    assert verdict.sure == "From 6 blocks of attack and seed: better than theirs (p = 0.031)."


def test_a_verdict_from_too_few_blocks_says_how_many_are_needed() -> None:
    (verdict,) = compared(grid({name: asrs[:3] for name, asrs in CLEAR.items()})).answers
    assert verdict.sure == (
        "Can’t tell from 3 blocks of attack and seed: "
        "among 2 methods no difference, however large, shows in fewer than 6."
    )


def test_a_verdict_on_methods_that_are_alike() -> None:
    (verdict,) = compared(grid({"ours": [0.1, 0.3] * 3, "theirs": [0.3, 0.1] * 3})).answers
    assert verdict.leaders == "ours and theirs"
    assert verdict.place.startswith("tie for first of 2: ")
    assert verdict.sure == "From 6 blocks of attack and seed: difference to theirs (p = 1): can’t tell."


def test_a_verdict_on_what_is_no_better_than_nothing() -> None:
    (verdict,) = compared([sweep(asr=1.0, accuracy=0.8)]).answers
    assert verdict.place.endswith("; no better than leaving the network as it is")


def test_a_verdict_names_who_got_there_too_seldom() -> None:
    runs = [*grid({"ours": [0.1, 0.2, 0.3]}), *(sweep("theirs", seed, points=("end",)) for seed in range(3))]
    (verdict,) = compared(runs).answers
    assert verdict.place.startswith("is the only method: ")
    assert verdict.absent == "Not ranked here, since they seldom got this far: theirs (0 of 3 blocks)."


def test_a_verdict_where_no_block_is_common() -> None:
    (verdict,) = compared([sweep("a", seed=0), sweep("b", seed=1)]).answers
    assert f"{verdict.leaders} {verdict.place}" == "No method ranks first: no attack and seed is common to all"


def test_a_verdict_names_a_few_and_counts_the_others() -> None:
    runs = [sweep(), *(sweep(f"m{number}", points=("end",)) for number in range(6))]
    (verdict,) = compared(runs).answers
    assert verdict.absent.endswith(
        ": m0 (0 of 1 blocks), m1 (0 of 1 blocks), m2 (0 of 1 blocks), m3 (0 of 1 blocks) and 2 more."
    )


def test_a_table_in_markdown() -> None:
    table = pd.DataFrame(
        [{"method": "a|b", "rank": 1, "goodnet_asr": 0.1, "goodnet_asr_low": 0.0, "goodnet_asr_high": 0.25}]
    )
    head, _, line = shown.markdown(table).splitlines()
    assert [text.strip() for text in head.strip("|").split("|")] == ["rank", "method", "G ASR"]
    assert line.replace(" ", "") == "|1|a\\|b|10.0[0.0,25.0]|"


def test_a_table_in_latex() -> None:
    table = pd.DataFrame([{"method": "a_b & 5 %", "pruned_asr": 0.5, "difference": np.nan}])
    text = shown.latex(table)
    assert r"\toprule" in text and "method & B$'$ ASR" in text
    assert r"a\_b \& 5 \% & 50.0" in text


def test_the_seeds_that_reached_a_budget_are_shown() -> None:
    table = compared([sweep(seed=0), sweep(seed=1, points=("end",))]).tables["attacks"]
    assert shown.readable(table)["seeds"].tolist() == ["1 of 2", "1 of 2"]


def test_the_files(tmp_path: Path) -> None:
    found = compared(grid({**CLEAR, "third": [0.9] * 6}))
    report = writing.write(found, tmp_path)
    names = {file.name for file in tmp_path.iterdir()}
    tables = {f"{name}.{kind}" for name in ("ranking", "attacks", "pairs", "areas") for kind in ("csv", "md", "tex")}
    pictures = {"trade_off_1_patch.svg", "curves_1_Under_patch.svg", "ranks_2_percent.svg"}
    assert names == tables | pictures | {"results.csv", "report.html"}
    assert report == tmp_path / "report.html"
    written = pd.read_csv(tmp_path / "ranking.csv")
    pd.testing.assert_frame_equal(written, found.tables["ranking"], check_dtype=False)
    assert len(pd.read_csv(tmp_path / "results.csv")) == 18


def test_curves_are_drawn_by_attack_and_by_method() -> None:
    titles = [drawing.title for drawing in compared([sweep(), sweep(attack="warp"), sweep("theirs")]).curves]
    assert titles == ["Under patch", "Under warp", "ours"]


def test_the_answer_fits_one_screen() -> None:
    written = io.StringIO()
    methods = {f"method_{number}": [number / 20] * 6 for number in range(20)}
    terminal.show(compared(grid(methods)).answers, Console(file=written, width=80))
    lines = written.getvalue().splitlines()
    assert len(lines) < 40
    assert lines[0].startswith("At 2 % method_0 ranks first of 20: ASR 0.0")
    assert "method_4" in written.getvalue() and "… 15 more in the report" in written.getvalue()


class Outline(HTMLParser):
    """The page's tags, in order, with their attributes, and its texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


EVIL = """<script>alert(1)</script>"'><img src=x onerror=alert(2)> $\\frac{ _{{ 7 * 7 }} \\textbf{x}"""


def test_names_from_strangers_are_only_names(tmp_path: Path) -> None:
    runs = [
        sweep(name, seed, attack="../" + EVIL, steps=STEPS)
        for name in (EVIL, "_hidden", "[red]x[/nope]")
        for seed in (0, 1)
    ]
    runs += [sweep(EVIL, attack=EVIL, tags={"not_applicable": EVIL}), sweep(EVIL, attack="b", tags={"oracle": "true"})]
    found = Comparison(runs, EVIL)
    writing.write(found, tmp_path)
    assert all(file.parent == tmp_path for file in tmp_path.rglob("*"))
    outline = Outline((tmp_path / "report.html").read_text())
    assert len(outline.all("script")) == 1
    assert all((image["src"] or "").startswith("data:image/svg+xml;base64,") for image in outline.all("img"))
    assert not any("onerror" in attributes for _, attributes in outline.tags)
    assert any(EVIL in text for text in outline.texts)
    written = io.StringIO()
    terminal.show(found.answers, Console(file=written, width=300))
    assert "[red]x[/nope]" in written.getvalue()


def many() -> list[Finished]:
    long = "a_strategy_with_a_name_that_goes_on_and_on_and_on_beyond_what_anybody_would_call_a_reasonable_length"
    scores = {f"{long}_{number}": [number / 20, number / 19.5, number / 21] for number in range(20)}
    return grid(scores, finetune="clean")


def without(run: Finished, part: str) -> Finished:
    kept = {name: value for name, value in run.metrics.items() if part not in name}
    return Finished(run.id, run.tags, run.params, kept, pd.DataFrame())


ODD = {
    "one run": [sweep()],
    "one method": grid({"ours": [0.1, 0.2]}),
    "no attack": [sweep(attack="clean", triggers={}, steps=STEPS.iloc[:, :3])],
    "no clean test images": [without(sweep(), "clean_test")],
    "no clean test images in one of two": [sweep(), without(sweep("b"), "clean_test")],
    "no ratings": [without(sweep(), "_der")],
    "nothing pruned": [sweep("none", points=("end",), steps=STEPS.iloc[:1])],
    "nothing in common": [sweep("a", seed=0), sweep("b", seed=1)],
    "nothing applicable": [sweep(points=(), tags={"not_applicable": "expected a dense layer, got none"})],
    "only oracles": [sweep(tags={"oracle": "true"})],
    "not a number": [sweep(asr=np.nan), sweep("b", asr=np.nan)],
    "fine-tuned nets missing": [without(sweep(finetune="clean"), "finetuned")],
    "many methods, long names": many(),
}


@pytest.mark.parametrize("case", [*list(ODD)[:-1], pytest.param(list(ODD)[-1], marks=pytest.mark.slow)])
def test_odd_cases_make_a_whole_page(case: str, tmp_path: Path) -> None:
    found = compared(ODD[case])
    outline = Outline(writing.write(found, tmp_path).read_text())
    assert outline.all("h1") and outline.all("footer")
    assert all(attributes.get("alt") for attributes in outline.all("img"))
    assert len(outline.all("caption")) == len(outline.all("table"))
    assert not {"nan", "None", "NaN", "<NA>"} & {text.strip() for text in outline.texts}
    written = io.StringIO()
    terminal.show(found.answers, Console(file=written, width=80))
    assert written.getvalue()
    for file in tmp_path.glob("*.tex"):
        assert "nan" not in file.read_text().lower().replace("nanm", "")


def test_a_page_has_one_heading_of_each_section_that_has_something_to_say() -> None:
    whole = Outline(page.html(compared(grid({**CLEAR, "third": [0.9] * 6}))))
    identifiers = {str(heading.get("id")) for heading in whole.all("h2")}
    assert identifiers == {"ranking", "price", "sure", "curves", "words"}
    assert {str(link["href"]).removeprefix("#") for link in whole.all("a")} == identifiers
    bare = Outline(page.html(compared(ODD["no attack"])))
    assert {heading.get("id") for heading in bare.all("h2")} == {"apart", "words"}


def test_pictures_are_whole_the_same_each_time_and_ask_for_nothing() -> None:
    found = compared(grid({**CLEAR, "third": [0.9] * 6}))
    for drawing in (*found.trade_offs, *found.curves, *found.ranks.values()):
        first, second = svg(drawing.draw, "light"), svg(drawing.draw, "light")
        assert first == second != svg(drawing.draw, "dark")
        links = re.findall(r"""href=["']([^"']*)|url\(([^)]*)""", first)
        assert links and all("".join(link).startswith("#") for link in links)
