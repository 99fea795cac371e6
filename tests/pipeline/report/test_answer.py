import numpy as np
import pytest

from pipeline.measures.rows import Row
from pipeline.report.answer import answers, verdicts
from pipeline.report.table_files import write_tables
from pipeline.report.tables import table_lines
from tests.pipeline.report.test_tables import CONFIG, row

PAIR = "HSSL \N{MINUS SIGN} iBOT"

ONE = "at this seed, on this machine"


@pytest.mark.parametrize(
    ("gained", "lost", "higher_is_better", "message"),
    [(40, 0, True, f"better {ONE}"), (0, 40, True, f"worse {ONE}"),
     (10, 10, True, "no difference shown"), (40, 0, False, f"worse {ONE}")],
)  # fmt: skip
def test_verdicts(gained, lost, higher_is_better, message):
    base = np.arange(400) < 200
    other = base.copy()
    other[:lost], other[200 : 200 + gained] = False, True
    rows = [row(arm, c, higher_is_better=higher_is_better) for arm, c in (("ibot", base), ("hssl", other))]
    (sentence,) = verdicts(table_lines(rows, CONFIG), CONFIG)
    assert sentence.startswith(f"{PAIR}: {(gained - lost) / 4:+.1f} points k-NN top-1 [")
    assert sentence.endswith(f"], 1 seed, {message}")


@pytest.mark.parametrize(
    ("gains", "magnitude", "message"),
    # Student's t with 2 degrees of freedom: 0 is outside of mean +- 4.30 std / sqrt 3 for the first only.
    [
        ((40, 44, 36), "+10.0 ± 1.0", "better, by the spread over seeds too"),
        ((90, 30, 0), "+10.0 ± 11.5", "better at these seeds (not shown for others)"),
    ],
)
def test_seeds_that_disagree_are_no_claim(gains, magnitude, message):
    rows = []
    for seed, gained in enumerate(gains):
        base = np.arange(400) < 200
        better = base.copy()
        better[200 : 200 + gained] = True
        rows += [row("ibot", base, seed), row("hssl", better, seed)]
    (sentence,) = verdicts(table_lines(rows, CONFIG), CONFIG)
    assert sentence.startswith(f"{PAIR}: {magnitude} points k-NN top-1 [")
    assert sentence.endswith(f"], 3 seeds, {message}")


def test_of_one_seed_the_table_says_what_its_intervals_do_not_cover(tmp_path):
    correct = np.arange(100) < 50
    for seeds, is_said in (((0,), True), ((0, 1), False)):
        rows = [row(arm, correct, seed=seed) for arm in ("ibot", "hssl") for seed in seeds]
        write_tables(tmp_path, table_lines(rows, CONFIG), CONFIG)
        for name in ("table.txt", "table.md"):
            assert (
                "One seed: the intervals are over test images." in (tmp_path / name).read_text()
            ) == is_said


def test_the_answer_in_one_sentence_counts_the_tasks():
    base = np.arange(400) < 200
    better = np.arange(400) < 240
    rows = [
        row("ibot", base),
        row("hssl", better),
        row("ibot", base, task="linear"),
        row("hssl", base, task="linear"),
    ]
    lines = table_lines(rows, CONFIG)
    (answer,) = answers(lines, CONFIG)
    assert answer == (
        f"{verdicts(lines, CONFIG)[0]}; of 2 tasks: 1 better, 1 not told apart "
        "(95 % intervals over test images)."
    )
    assert answer.startswith(f"{PAIR}: +10.0 points k-NN top-1 [")
    assert answers([], CONFIG)[0].startswith("There is nothing to compare")


def test_the_answer_of_several_seeds_says_what_the_spread_is(tmp_path):
    right = {"ibot": (50, 52, 54), "hssl": (60, 60, 60)}
    rows = [
        row(arm, np.arange(100) < of, seed) for arm, each in right.items() for seed, of in enumerate(each)
    ]
    lines = table_lines(rows, CONFIG)
    (answer,) = answers(lines, CONFIG)
    assert answer.startswith(f"{PAIR}: +8.0 ± 2.0 points k-NN top-1 [")  # 10, 8 and 6 points
    assert answer.endswith("; ± is the standard deviation over seeds).")
    write_tables(tmp_path, lines, CONFIG)
    for name in ("table.txt", "table.md", "table.tex"):
        assert (
            answer.replace("%", "percent" if name.endswith("tex") else "%") in (tmp_path / name).read_text()
        )


def test_the_answer_is_about_a_task_that_has_an_interval():
    rows = [row(arm, [1, 0], task="first") for arm in ("ibot", "hssl")]
    without = [Row(**{**vars(each), "correct": None}) for each in rows]
    with_interval = [row("ibot", np.arange(400) < 200), row("hssl", np.arange(400) < 240)]
    (answer,) = answers(table_lines([*without, *with_interval], CONFIG), CONFIG)
    assert answer.startswith(f"{PAIR}: +10.0 points k-NN top-1 [")
    assert "; of 1 task: 1 better (" in answer
