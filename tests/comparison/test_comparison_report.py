"""What a comparison leaves behind: sentences, tables for papers, pictures and the page, also in odd cases."""

import csv
import io
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy import stats
from sweeps import STEPS, grid, sweep

from fineprune.comparison import Bar, Comparison, removal, tidy
from fineprune.comparison.figure_style import svg
from fineprune.comparison.output import html_page, readable_tables, result_files, terminal
from fineprune.comparison.verdict import Verdict
from fineprune.tracking.read import FinishedSweep

pytestmark = pytest.mark.slow

NO_BREAK = "\N{NO-BREAK SPACE}"
CLEAR = {"ours": [0.10, 0.12, 0.14] * 2, "theirs": [0.5, 0.6, 0.7] * 2}


def compared(runs: list[FinishedSweep]) -> Comparison:
    return Comparison(runs, "Experiment trial")


@cache
def of_three() -> Comparison:
    """One with every section and picture, computed and drawn once for all tests."""
    return compared(grid({**CLEAR, "third": [0.9] * 6}))


def test_a_verdict_says_who_is_first_with_which_rates_and_how_sure_that_is() -> None:
    more = {name: [*asrs, asrs[0]] for name, asrs in CLEAR.items()}
    (verdict,) = compared(grid(more)).answers
    assert (verdict.leaders, verdict.name) == ("ours", "2 %")
    # mean 11.714, standard deviation √(19.43 / 6) = 1.799, t(0.975, 6) = 2.4469: 11.714 ± 1.664
    assert verdict.place.replace(NO_BREAK, " ") == (
        "ranks first of 3: ASR 11.7 % [10.1, 13.4] (untouched 100.0 %), "
        "clean accuracy 90.0 % [90.0, 90.0] (untouched 100.0 %)"
    )
    assert verdict.sure == "From 7 blocks of attack and seed, ours is better than theirs (p = 0.047)."
    assert verdict.controls == "Against the controls, ours is better than untouched (p = 0.047)."


def test_a_verdict_from_too_few_blocks_says_how_many_are_needed() -> None:
    (verdict,) = compared(grid({name: asrs[:3] for name, asrs in CLEAR.items()})).answers
    assert verdict.sure == (
        "Can’t tell from 3 blocks of attack and seed: "
        "among 3 methods no difference, however large, shows in fewer than 7."
    )
    assert not verdict.controls


def test_a_verdict_on_methods_that_are_alike() -> None:
    (verdict,) = compared(grid({"ours": [0.1, 0.3] * 4, "theirs": [0.3, 0.1] * 4})).answers
    assert verdict.leaders == "ours and theirs"
    assert verdict.place.startswith("tie for first of 3: ")
    assert verdict.sure == "From 8 blocks of attack and seed, ours is not told apart from theirs (p = 1)."


def against_fine_tuning_alone(ours: list[float], control: list[float]) -> Verdict:
    """The verdict on a store in which a method and fine-tuning alone left these ASRs, a seed each."""
    tags = {"control": "true"}
    runs = [sweep("none", seed, 2 * asr, finetune="clean", tags=tags) for seed, asr in enumerate(control)]
    (verdict,) = compared([*grid({"ours": ours}), *runs]).answers
    return verdict


def test_a_control_that_ties_the_winner_denies_it_the_credit() -> None:
    near = [0.10, 0.13, 0.12, 0.15, 0.11, 0.14, 0.12, 0.13]
    verdict = against_fine_tuning_alone(near, near[::-1])
    assert verdict.controls == (
        "Against the controls, ours is better than untouched (p = 0.023); no better than none + fine-tuning (p = 1), "
        "as far as can be told; what it prunes is not shown to help."
    )


def test_a_control_that_wins_is_named_as_one() -> None:
    verdict = against_fine_tuning_alone([0.30 + seed / 100 for seed in range(8)], [0.1] * 8)
    assert verdict.leaders == "none + fine-tuning, a control,"
    assert verdict.controls == (
        "Against the controls, ours is better than untouched (p = 0.023); worse than none + fine-tuning (p = 0.023); "
        "what it prunes is not shown to help."
    )


def test_controls_alone_are_said_to_be_alone() -> None:
    (verdict,) = compared([sweep("none", finetune="clean", tags={"control": "true"})]).answers
    assert verdict.controls == "Only controls were run."


def test_a_verdict_on_what_is_no_better_than_nothing() -> None:
    (verdict,) = compared([sweep(asr=1.0, accuracy=0.8)]).answers
    assert verdict.leaders == "untouched, a control,"
    assert verdict.place.endswith("; no better than leaving the network as it is")


def test_a_verdict_names_what_was_measured_too_seldom() -> None:
    others = [sweep(f"m{number}", points=("2_percent",)) for number in range(6)]
    (verdict,) = compared([*grid({"ours": [0.1, 0.2, 0.3]}), *others]).answers
    assert verdict.left_out == (
        "Not ranked here, since they were seldom measured: "
        "m0 (1 of 3 blocks), m1 (1 of 3 blocks), m2 (1 of 3 blocks), m3 (1 of 3 blocks) and 2 more."
    )


def test_a_verdict_where_no_block_is_common() -> None:
    (verdict,) = compared([sweep("a", seed=0), sweep("b", seed=1)]).answers
    assert f"{verdict.leaders} {verdict.place}" == "No method ranks first: no attack and seed is common to all"


def removed(runs: list[FinishedSweep], bar: Bar | None = None) -> dict[tuple[str, str], bool]:
    table = removal(tidy(runs), bar or Bar())
    return {(row["attack"], row["method"]): bool(row["removed"]) for row in table.to_dict("records")}


def test_a_backdoor_is_removed_where_the_whole_interval_is_under_the_bar_at_a_price_within_the_budget() -> None:
    # The upper ends are 5 + 2.5 = 7.5 and 8 + 5.0 = 13.0: t(0.975, 2) = 4.3027 over √3, times 1 and 2.
    runs = grid({"sure": [0.04, 0.05, 0.06], "hardly": [0.06, 0.08, 0.10]}, accuracy=0.975)
    assert removed(runs) == {("patch", "untouched"): False, ("patch", "sure"): True, ("patch", "hardly"): False}
    dear = grid({"dear": [0.04, 0.05, 0.06]}, accuracy=0.96)
    assert not removed(dear)["patch", "dear"]
    assert removed(dear, Bar(overshoot=0.02))["patch", "dear"]
    assert removed(runs, Bar(asr=0.14))["patch", "hardly"]


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_backdoor_that_works_better_than_before_is_not_removed(seeds: int) -> None:
    """Though its ASR is under the bar, and a test of equal changes, or of one, has no p-value."""
    runs = grid({"worse": [0.08] * seeds})
    for run in runs:
        run.metrics["badnet/patch/asr"] = 0.05  # type: ignore[index]
    assert not removed(runs, Bar(overshoot=0.2))["patch", "worse"]
    better = grid({"better": [0.03] * seeds})
    for run in better:
        run.metrics["badnet/patch/asr"] = 0.05  # type: ignore[index]
    assert removed(better, Bar(overshoot=0.2))["patch", "better"]


def test_an_oracle_takes_no_significance_from_those_that_compete() -> None:
    """Alone its p is its own. ASR falls from 1 by 0.4, 0.3 and 0.2: t = 0.3 √3 / 0.1 = 5.196, p = 0.0175."""
    runs = grid({"ours": [0.6, 0.7, 0.8]})
    oracles = grid({"cheat": [0.1, 0.2, 0.3], "other": [0.3, 0.2, 0.1]}, tags={"oracle": "true"})
    for compared_runs in (runs, [*runs, *oracles]):
        table = removal(tidy(compared_runs), Bar()).set_index("method")
        assert table.loc["ours", "p_holm"] == table.loc["ours", "p"] == pytest.approx(0.0175, abs=1e-4)
        assert np.isnan(table.loc["untouched", "p_holm"])


def test_the_bar_is_never_below_chance() -> None:
    runs = grid({"ours": [0.19, 0.20, 0.21]}, accuracy=0.99, tags={"classes": "4"})
    assert removed(runs)["patch", "ours"]
    assert not removed(grid({"ours": [0.19, 0.20, 0.21]}, accuracy=0.99, tags={"classes": "10"}))["patch", "ours"]


def test_what_is_removed_has_to_be_less_than_before_by_scipys_own_test() -> None:
    """A weak BadNet, under the bar before anybody touched it: what changes little removed nothing."""
    runs = grid({"ours": [0.05, 0.09, 0.07]}, accuracy=0.99)
    for run, before in zip(runs, [0.05, 0.08, 0.075], strict=True):
        run.metrics["badnet/patch/asr"] = before  # type: ignore[index]
    (row,) = removal(tidy(runs), Bar()).query("method == 'ours'").to_dict("records")
    expected = stats.ttest_rel([0.05, 0.08, 0.075], [0.05, 0.09, 0.07], alternative="greater").pvalue
    assert row["p"] == pytest.approx(expected)
    assert (row["weak"], row["removed"]) == (True, False)


def test_the_verdict_says_under_which_attacks_the_backdoor_is_gone_and_by_what() -> None:
    asrs = {"patch": ([0.05] * 3, [0.06] * 3), "blend": ([0.05] * 3, [0.5] * 3), "warp": ([0.9] * 3, [0.8] * 3)}
    runs = [run for attack, (a, b) in asrs.items() for run in grid({"a": a, "b": b}, attack=attack, accuracy=0.99)]
    (verdict,) = compared(runs).answers
    assert verdict.removed == "Removed under blend by a; under patch by a and b; under warp by no method."
    (verdict,) = compared(grid({"a": [0.9] * 2})).answers
    assert verdict.removed == "No method removes the backdoor under patch."


def test_the_matrix_has_the_untouched_net_on_top_controls_before_methods_and_oracles_last() -> None:
    runs = [
        *grid({"good": [0.1], "bad": [0.5]}),
        sweep("random_channels", asr=0.9, tags={"control": "true"}),
        sweep("tac", asr=0.0, tags={"oracle": "true"}),
        sweep("good", attack="clean", triggers={}, accuracy=0.7),
    ]
    rows = compared(runs).matrix("2_percent")
    patch = rows[rows["attack"] == "patch"]
    assert patch["method"].tolist() == ["untouched", "random_channels", "good", "bad", "tac"]
    clean = rows[rows["attack"] == "clean"].set_index("method")
    assert clean["price"].to_dict() == pytest.approx({"good": 0.3, "untouched": 0})
    assert clean["goodnet_asr"].isna().all() and not clean["removed"].any()


def test_a_table_in_markdown() -> None:
    table = pd.DataFrame(
        [{"method": "a|b", "rank": 1, "goodnet_asr": 0.1, "goodnet_asr_low": 0.0, "goodnet_asr_high": 0.25}]
    )
    head, _, line = readable_tables.markdown(table).splitlines()
    assert [text.strip() for text in head.strip("|").split("|")] == ["rank", "method", "G ASR"]
    assert line.replace(" ", "") == "|1|a\\|b|10.0[0.0,25.0]|"


def test_a_table_in_latex() -> None:
    table = pd.DataFrame([{"method": "a_b & 5 %", "pruned_asr": 0.5, "difference": np.nan}])
    text = readable_tables.latex(table)
    assert r"\toprule" in text and "method & B$'$ ASR" in text
    assert r"a\_b \& 5 \% & 50.0" in text


def test_the_files(tmp_path: Path) -> None:
    comparison = of_three()
    files = result_files.write(comparison, tmp_path)
    names = {file.name for file in tmp_path.iterdir()}
    tables = {
        f"{name}.{kind}"
        for name in ("runs", "removal", "ranking", "attacks", "pairs", "areas")
        for kind in ("csv", "md", "tex")
    }
    pictures = {"matrix_2_percent.svg", "trade_off_1_patch.svg", "curves_1_Under_patch.svg", "ranks_2_percent.svg"}
    assert names == tables | pictures | {"results.csv", "report.html"}
    assert {file.name for file in files} == names
    assert files[-1] == tmp_path / "report.html"
    written = pd.read_csv(tmp_path / "ranking.csv")
    pd.testing.assert_frame_equal(written, comparison.tables["ranking"], check_dtype=False)
    assert len(pd.read_csv(tmp_path / "results.csv")) == 24


def test_curves_are_drawn_by_attack_and_by_method() -> None:
    titles = [drawing.title for drawing in compared([sweep(), sweep(attack="warp"), sweep("theirs")]).curves]
    assert titles == ["Under patch", "Under warp", "ours"]


def test_the_answer_fits_one_screen() -> None:
    written = io.StringIO()
    methods = {f"method_{number}": [number / 20] * 6 for number in range(8)}
    terminal.show(compared(grid(methods)), Console(file=written, width=80))
    lines = written.getvalue().splitlines()
    assert len(lines) < 40
    assert lines[0].startswith("At 2 % method_0 ranks first of 9: ASR 0.0")
    assert "method_4" in written.getvalue() and "… 4 more in the report" in written.getvalue()


def test_a_cost_of_thousands_of_passes_cuts_no_name_on_80_columns() -> None:
    runs, written = grid({"channel_activation": [0.1, 0.3, 0.2], "anp": [0.2, 0.1, 0.4]}), io.StringIO()
    for run in runs:
        passes = {"forward_passes/strategy": 1536.0, "backward_passes/strategy": 2.04}
        run.metrics.update(passes)  # type: ignore[attr-defined]
    terminal.show(compared(runs), Console(file=written, width=80))
    assert re.search(r"channel_activation .* 90\.0 +85\.0 \[.+\] +1536 +2\.0 *\n", written.getvalue())


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
        for name in (EVIL, "_hidden", "[red]x[/nope]", "=HYPERLINK(1)", "[a](javascript:b)")
        for seed in (0, 1)
    ]
    runs += [sweep(EVIL, attack=EVIL, tags={"not_applicable": EVIL}), sweep(EVIL, attack="b", tags={"oracle": "true"})]
    comparison = Comparison(runs, EVIL)
    result_files.write(comparison, tmp_path)
    assert all(file.parent == tmp_path for file in tmp_path.rglob("*"))
    outline = Outline((tmp_path / "report.html").read_text())
    assert len(outline.all("script")) == 1
    assert all((image["src"] or "").startswith("data:image/svg+xml;base64,") for image in outline.all("img"))
    assert not any("onerror" in attributes for _, attributes in outline.tags)
    assert any(EVIL in text for text in outline.texts)
    cells = [
        cell for file in tmp_path.glob("*.csv") for row in csv.reader(io.StringIO(file.read_text())) for cell in row
    ]
    assert any("HYPERLINK" in cell for cell in cells) and not any(cell.startswith("=") for cell in cells)
    texts = [file.read_text() for file in tmp_path.glob("*.md")]
    assert any("javascript" in text for text in texts)
    assert not any("<script" in text or "](javascript" in text for text in texts)
    written = io.StringIO()
    terminal.show(comparison, Console(file=written, width=300))
    assert "[red]x[/nope]" in written.getvalue()


def many() -> list[FinishedSweep]:
    long = "a_strategy_with_a_name_that_goes_on_and_on_and_on_beyond_what_anybody_would_call_a_reasonable_length"
    scores = {f"{long}_{number}": [number / 20, number / 19.5, number / 21] for number in range(20)}
    return grid(scores, finetune="clean")


def without(run: FinishedSweep, part: str) -> FinishedSweep:
    kept = {name: value for name, value in run.metrics.items() if part not in name}
    return FinishedSweep(run.id, run.tags, run.params, kept, pd.DataFrame())


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


@pytest.mark.parametrize("case", list(ODD))
def test_odd_cases_make_a_whole_page(case: str, tmp_path: Path) -> None:
    comparison = compared(ODD[case])
    outline = Outline(result_files.write(comparison, tmp_path)[-1].read_text())
    assert outline.all("h1") and outline.all("footer")
    assert all(attributes.get("alt") for attributes in outline.all("img"))
    assert len(outline.all("caption")) == len(outline.all("table"))
    assert not {"nan", "None", "NaN", "<NA>"} & {text.strip() for text in outline.texts}
    written = io.StringIO()
    terminal.show(comparison, Console(file=written, width=80))
    assert written.getvalue()
    for file in tmp_path.glob("*.tex"):
        assert "nan" not in file.read_text().lower().replace("nanm", "")


def test_the_first_table_of_the_page_is_the_matrix_at_the_middle_budget() -> None:
    budgets = ("2_percent", "4_percent", "10_percent")
    runs = [
        *grid({"ours": [0.05] * 2}, accuracy=0.98, points=budgets),
        sweep("cheat", points=budgets, tags={"oracle": "true"}),
    ]
    page = html_page.render(compared(runs))
    first = page[page.index("<table") : page.index("</table>")]
    assert "At 4 %: what each method leaves of each attack" in first
    text = " ".join(re.sub(r"<[^>]+>", " ", first).split())
    assert text.endswith("untouched control 100.0 +0.0 ours 5.0 ✓ −2.0 cheat oracle 40.0 −10.0")
    assert first.count('class="removed"') == 1


def test_a_page_has_one_heading_of_each_section_that_has_something_to_say() -> None:
    whole = Outline(html_page.render(of_three()))
    identifiers = {str(heading.get("id")) for heading in whole.all("h2")}
    assert identifiers == {"ranking", "price", "sure", "curves", "words", "made"}
    links = {str(link["href"]) for link in whole.all("a")}
    assert {link.removeprefix("#") for link in links if link.startswith("#")} == identifiers
    assert {"ranking.csv", "removal.csv", "results.csv"} <= links
    bare = Outline(html_page.render(compared(ODD["no attack"])))
    assert {heading.get("id") for heading in bare.all("h2")} == {"apart", "words", "made"}


def test_pictures_are_whole_the_same_each_time_and_ask_for_nothing() -> None:
    comparison = of_three()
    for drawing in (*comparison.matrices, *comparison.trade_offs, *comparison.curves, *comparison.ranks.values()):
        first, second = drawing.svg, svg(drawing.draw)
        assert first == second
        links = re.findall(r"""href=["']([^"']*)|url\(([^)]*)""", first)
        assert links and all("".join(link).startswith("#") for link in links)
