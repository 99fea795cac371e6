"""One setting, `confidence`, decides the level of the interval of every kind of row."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from pipeline.config.tables import TablesConfig
from pipeline.measures.intervals.values_and_differences import difference_interval, value_interval
from pipeline.measures.rows import Row
from pipeline.report.answer import answers, verdicts
from pipeline.report.table_files import write_tables
from pipeline.report.tables import table_lines

NUM_IMAGES, NUM_RESAMPLES = 400, 3000
LEVELS = (0.8, 0.95)


def settings(confidence):
    return TablesConfig(
        experiment="e",
        arms=("ibot", "hssl"),
        baseline="ibot",
        subjects=("hssl",),
        confidence=confidence,
        num_bootstrap=20_000,
    )


def classified(arm, correct, seed=0):
    return _row(arm, seed, "knn", "top1", float(correct.mean()), correct=correct, num_bootstrap=20_000)


def dense(arm, metric, value, replicates, seed=0):
    return _row(arm, seed, "dense", metric, value, correct=None, replicates=replicates)


def _row(arm, seed, task, metric, value, **changes):
    return Row(
        arm=arm, seed=seed, task=task, metric=metric, value=value, num_images=NUM_IMAGES, dataset="d",
        split="test", protocol="p", higher_is_better=True, fingerprint="f", **changes
    )  # fmt: skip


@pytest.mark.parametrize("confidence", LEVELS)
def test_accuracy_of_one_seed_has_binomial_quantiles(confidence):
    found = value_interval([classified("hssl", np.arange(NUM_IMAGES) < 280)], settings(confidence))
    expected = np.array(stats.binom.interval(confidence, NUM_IMAGES, 0.7)) / NUM_IMAGES
    assert found == pytest.approx(tuple(expected), abs=1.1 / NUM_IMAGES)  # quantiles are at whole images


@pytest.mark.parametrize("confidence", LEVELS)
def test_accuracies_of_several_seeds_are_resampled_by_index(rng, confidence):
    correct = rng.random((3, NUM_IMAGES)) < 0.6
    found = value_interval([classified("hssl", c, s) for s, c in enumerate(correct)], settings(confidence))
    drawn = rng.integers(0, NUM_IMAGES, (20_000, NUM_IMAGES))
    expected = _tails(correct.mean(axis=0)[drawn].mean(axis=1), confidence)
    assert found == pytest.approx(expected, abs=0.003)


@pytest.mark.parametrize("confidence", LEVELS)
def test_differences_of_accuracies_are_resampled_by_index(rng, confidence):
    first, second = rng.random((2, NUM_IMAGES)) < [[0.7], [0.6]]
    rows = [classified("hssl", first)], [classified("ibot", second)]
    drawn = rng.integers(0, NUM_IMAGES, (20_000, NUM_IMAGES))
    expected = _tails((first.astype(float) - second)[drawn].mean(axis=1), confidence)
    assert difference_interval(*rows, settings(confidence)) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize("confidence", LEVELS)
@pytest.mark.parametrize("metric", ["miou", "ap"])
def test_other_metrics_have_the_normal_quantiles_of_normal_replicates(metric, confidence):
    levels = (np.arange(NUM_RESAMPLES) + 0.5) / NUM_RESAMPLES
    replicates = stats.norm.ppf(levels, 0.45, 0.02)  # above the value, as those of AP are
    gained = stats.norm.ppf(np.random.default_rng(0).permutation(levels), 0.1, 0.01)
    hssl = dense("hssl", metric, 0.4, replicates)
    ibot = dense("ibot", metric, 0.3, replicates - gained)
    expected = stats.norm.interval(confidence, 0.4, 0.02)
    assert value_interval([hssl], settings(confidence)) == pytest.approx(expected, abs=2e-4)
    expected = stats.norm.interval(confidence, 0.1, 0.01)
    assert difference_interval([hssl], [ibot], settings(confidence)) == pytest.approx(expected, abs=2e-4)


def test_an_interval_of_a_value_stays_within_fractions(rng):
    """Moved to the value, replicates of a small AP may scatter below 0."""
    near_zero, near_one = np.abs(rng.normal(0, 0.02, 1000)), 1 - np.abs(rng.normal(0, 0.02, 1000))
    for seeds in (1, 2):
        small = [dense("hssl", "ap", 0.001, near_zero, seed) for seed in range(seeds)]
        large = [dense("hssl", "ap", 0.999, near_one, seed) for seed in range(seeds)]
        low, high = value_interval(small, settings(0.95))[0], value_interval(large, settings(0.95))[1]
        assert (low, high) == (0, 1)


def test_header_sentence_and_every_interval_are_of_the_same_level(rng, tmp_path):
    rows = []
    for arm, share in (("ibot", 0.5), ("hssl", 0.6)):
        for seed in range(3):
            rows.append(classified(arm, rng.random(NUM_IMAGES) < share, seed))
            rows.append(dense(arm, "miou", share, rng.normal(share, 0.02, 1000), seed))
    widths = {}
    for confidence in LEVELS:
        lines = table_lines(rows, settings(confidence))
        assert {line["confidence"] for line in lines} == {confidence}
        widths[confidence] = [
            line[f"{kind}ci_high"] - line[f"{kind}ci_low"]
            for line in lines
            for kind in ("", "difference_")
            if line[f"{kind}ci_low"] is not None
        ]
        write_tables(tmp_path / str(confidence), lines, settings(confidence))
        text = (tmp_path / str(confidence) / "table.txt").read_text()
        assert text.splitlines()[0].count(f"{100 * confidence:g} % interval") == 2
        (answer,) = answers(lines, settings(confidence))
        assert answer in text
        assert f"({100 * confidence:g} % intervals over" in answer
    assert len(widths[0.8]) == 2 * 2 + 2  # two metrics of two arms, and a difference of each metric
    narrower = np.array(widths[0.8]) / widths[0.95]
    assert narrower == pytest.approx(stats.norm.ppf(0.9) / stats.norm.ppf(0.975), abs=0.08)


@pytest.mark.parametrize(
    ("confidence", "message"),
    [(0.8, "better, by the spread over seeds too"), (0.95, "(not shown for others)")],
)
def test_seeds_are_judged_at_the_same_level(confidence, message):
    """Gains of 90, 30 and 20 of 400 images: t = 2.14, between 1.89 (80 %) and 4.30 (95 %) of 2 degrees."""
    rows = []
    for seed, gained in enumerate((90, 30, 20)):
        rows.append(classified("ibot", np.arange(NUM_IMAGES) < 200, seed))
        rows.append(classified("hssl", np.arange(NUM_IMAGES) < 200 + gained, seed))
    gains = np.array([90, 30, 20]) / NUM_IMAGES
    assert (stats.ttest_1samp(gains, 0).pvalue < 1 - confidence) == (confidence == 0.8)
    (sentence,) = verdicts(table_lines(rows, settings(confidence)), settings(confidence))
    assert sentence.endswith(message)


def test_without_outcomes_and_replicates_there_is_no_interval():
    row = dense("hssl", "ap_small", 0.3, None)
    assert value_interval([row], settings(0.95)) == (None, None)
    assert difference_interval([row], [row], settings(0.95)) == (None, None)


@pytest.mark.parametrize(
    ("num_seeds", "task", "expected"),
    [
        (1, "knn", (0.564, 0.692, 0.036, 0.2)),
        (1, "dense", (0.4137357321331827, 0.486356490561289, -0.008014378085935693, 0.11261572503923603)),
        (2, "knn", (0.582, 0.674, 0.04995, 0.17805)),
        (2, "dense", (0.4177412309347332, 0.47936853945071217, 0.01263044448777926, 0.09034719569628412)),
    ],
)
def test_the_random_streams_are_part_of_the_results(num_seeds, task, expected):
    """Numbers of before `confidence` was one setting: the same at 95 %, to the digit."""
    rng = np.random.default_rng(11)
    hssl, ibot = rng.random((2, 2, 250)) < [[[0.6]], [[0.5]]]
    scatter = rng.normal(0, 0.02, (2, 2, 300))
    groups = {"hssl": [], "ibot": []}
    for seed in range(num_seeds):
        for arm, correct, value, replicates in (
            ("hssl", hssl[seed], 0.45, 0.45 + scatter[1, seed]),
            ("ibot", ibot[seed], 0.4, 0.4 + scatter[0, seed]),
        ):
            row = (
                classified(arm, correct, seed)
                if task == "knn"
                else dense(arm, "miou", value, replicates, seed)
            )
            groups[arm].append(dataclasses.replace(row, num_bootstrap=1000))
    usual = TablesConfig(experiment="e", arms=("ibot", "hssl"), baseline="ibot", subjects=())
    found = value_interval(groups["hssl"], usual) + difference_interval(groups["hssl"], groups["ibot"], usual)
    assert found == pytest.approx(expected, rel=1e-13)


def _tails(values, confidence):
    return tuple(np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2]))


def test_arms_that_are_often_equal_are_not_told_apart_by_moving_the_interval(rng):
    # Nearly perfect arms differ on a fifth of the resamples, and there in one direction.
    equal = np.full(NUM_RESAMPLES, 0.99)
    worse = equal - 0.004 * (rng.random(NUM_RESAMPLES) < 0.2)
    arms = [dense("hssl", "map", 0.985, worse)], [dense("ibot", "map", 0.99, equal)]
    low, high = difference_interval(*arms, settings(0.95))
    assert low < -0.004
    assert high == 0
    # Where all resamples differ, the interval is moved as any other.
    apart = equal - 0.004 - 1e-4 * rng.random(NUM_RESAMPLES)
    low, high = difference_interval([dense("hssl", "map", 0.98, apart)], arms[1], settings(0.95))
    assert low < high < -0.009
