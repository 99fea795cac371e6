import csv
import dataclasses
import json

import numpy as np
import pytest

from pipeline.config.tables import TablesConfig
from pipeline.measures.rows import Row, read_rows
from pipeline.report.answer import answers, coverage, verdicts
from pipeline.report.table_files import write_tables
from pipeline.report.tables import points, table_lines

CONFIG = TablesConfig(experiment="e", arms=("random", "ibot", "hssl"), baseline="ibot", subjects=("hssl",))


def row(arm, correct, seed=0, task="knn", metric="top1", **changes) -> Row:
    correct = np.asarray(correct, bool)
    value = float(correct.mean())
    values = {
        "num_images": correct.size, "num_bootstrap": 1000, "dataset": "d_s",
        "split": "val", "protocol": "k & l", "higher_is_better": True, "fingerprint": f"{arm}{seed}",
    }  # fmt: skip
    return Row(arm=arm, seed=seed, task=task, metric=metric, value=value, correct=correct, **values | changes)


def test_each_method_with_its_head_is_compared_with_the_method_alone(tmp_path):
    arms = ("random", "ibot", "mocov3", "hssl-mocov3")
    config = TablesConfig(
        experiment="e",
        arms=arms,
        baseline="ibot",
        alone={"hssl-mocov3": "mocov3"},
        subjects=("hssl-mocov3",),
    )
    gained = dict(zip(arms, (0, 4, 2, 5), strict=True))
    lines = table_lines([row(arm, np.arange(8) < gained[arm]) for arm in arms], config)
    differences = {line["arm"]: (line["baseline"], line["difference"]) for line in lines}
    assert differences == {
        "random": ("ibot", -0.5),
        "ibot": ("ibot", None),
        "mocov3": ("ibot", -0.25),
        "hssl-mocov3": ("mocov3", 0.375),
    }
    (sentence,) = verdicts(lines, config)
    assert sentence.startswith("HSSL-MoCo v3 \N{MINUS SIGN} MoCo v3: +37.5 points k-NN top-1 [")
    write_tables(tmp_path, lines, config)
    text = (tmp_path / "table.txt").read_text()
    assert "vs mocov3" in text
    assert "-50.0 vs ibot" in text


def line_of(lines, arm):
    return next(line for line in lines if line["arm"] == arm)


def test_one_seed_has_the_intervals_of_its_images(rng):
    base = rng.random(400) < 0.5
    better = base.copy()
    better[np.flatnonzero(~base)[:40]] = True
    lines = table_lines([row("hssl", better), row("ibot", base)], CONFIG)
    assert [line["arm"] for line in lines] == ["ibot", "hssl"]
    hssl, ibot = line_of(lines, "hssl"), line_of(lines, "ibot")
    assert hssl["value"] == better.mean()
    # The interval of the value itself, from the error of a share of 400 images.
    error = 1.96 * (hssl["value"] * (1 - hssl["value"]) / 400) ** 0.5
    found = (hssl["ci_low"], hssl["ci_high"])
    assert found == pytest.approx((hssl["value"] - error, hssl["value"] + error), abs=0.01)
    assert hssl["std"] is hssl["difference_std"] is ibot["difference"] is None
    assert hssl["difference"] == pytest.approx(0.1)
    # 40 of 400 gained, none lost: the paired error is sqrt(0.1 * 0.9 / 400) = 0.015; unpaired it is 0.035.
    assert hssl["difference_ci_low"] == pytest.approx(0.1 - 1.96 * 0.015, abs=0.005)
    assert hssl["difference_ci_high"] == pytest.approx(0.1 + 1.96 * 0.015, abs=0.005)


def test_several_seeds_give_deviation_and_an_interval_that_index_resampling_confirms(rng):
    correct = {
        (arm, seed): rng.random(300) < p for arm, p in (("ibot", 0.5), ("hssl", 0.6)) for seed in range(3)
    }
    lines = table_lines([row(arm, values, seed) for (arm, seed), values in correct.items()], CONFIG)
    hssl = line_of(lines, "hssl")
    means = np.array([correct["hssl", seed].mean() for seed in range(3)])
    differences = means - [correct["ibot", seed].mean() for seed in range(3)]
    assert hssl["value"] == pytest.approx(means.mean())
    assert hssl["std"] == pytest.approx(np.std(means, ddof=1))
    assert hssl["difference_std"] == pytest.approx(np.std(differences, ddof=1))
    assert hssl["seeds"] == [0, 1, 2]
    assert hssl["fingerprint"] == "hssl0 hssl1 hssl2"
    drawn = rng.integers(0, 300, (4000, 300))
    per_image = np.mean([correct["hssl", s].astype(float) - correct["ibot", s] for s in range(3)], axis=0)
    low, high = np.quantile(per_image[drawn].mean(axis=1), [0.025, 0.975])
    assert (hssl["difference_ci_low"], hssl["difference_ci_high"]) == pytest.approx((low, high), abs=0.008)


@pytest.mark.parametrize(
    "changes", [{"dataset": "other"}, {"split": "test"}, {"num_images": 5}, {"seed": 1}], ids=str
)
def test_rows_that_cannot_be_compared_are_refused(changes):
    rows = [row("ibot", [1, 0]), row("hssl", [1, 0], **changes)]
    with pytest.raises(ValueError, match=r"knn top1: .*(differs|different seeds)"):
        table_lines(rows, CONFIG)


def test_a_metric_without_values_per_image_has_a_difference_but_no_interval():
    rows = [row(arm, [1, 0], metric="miou") for arm in ("ibot", "hssl")]
    lines = table_lines([Row(**{**vars(r), "correct": None}) for r in rows], CONFIG)
    assert line_of(lines, "hssl")["difference"] == 0
    assert line_of(lines, "hssl")["difference_ci_low"] is None
    assert verdicts(lines, CONFIG) == ["HSSL \N{MINUS SIGN} iBOT: +0.0 points k-NN mIoU, 1 seed"]


def test_files(tmp_path):
    lines = table_lines([row(arm, np.arange(8) < 4, seed) for arm in CONFIG.arms for seed in (0, 1)], CONFIG)
    write_tables(tmp_path, lines, CONFIG)
    assert json.loads((tmp_path / "table.json").read_text()) == lines
    with open(tmp_path / "table.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(r["value"]) for r in rows] == [0.5] * 3
    assert r"d\_s" in (tmp_path / "table.tex").read_text()
    assert r"k \& l" in (tmp_path / "table.tex").read_text()
    assert "50.0 ± 0.0" in (tmp_path / "table.md").read_text()
    assert "no difference shown" in (tmp_path / "table.txt").read_text()


def test_people_first_see_the_headline_metric_of_each_task(tmp_path):
    correct = np.arange(8) < 4
    rows = [row(arm, correct, task=task, metric=metric, protocol=f"{task} protocol")
            for task, metric in (("knn", "top1"), ("knn", "top5"), ("knn", "top1_k20"), ("linear", "top1"))
            for arm in CONFIG.arms]  # fmt: skip
    write_tables(tmp_path, table_lines(rows, CONFIG), CONFIG)
    text = (tmp_path / "table.txt").read_text().splitlines()
    assert [line.split()[:3] for line in text[2:8]] == [
        [task, "top1", arm] for task in ("knn", "linear") for arm in CONFIG.arms
    ]
    assert text[8] == ""
    markdown, every = (tmp_path / "table.md").read_text().split("Every metric:")
    assert "top5" not in markdown
    assert "protocol" not in markdown
    for everything in (every, *((tmp_path / f"table.{end}").read_text() for end in ("csv", "json", "tex"))):
        assert all(name in everything for name in ("top5", "k20", "knn protocol"))


def test_without_labelled_images_the_tables_say_so(tmp_path):
    write_tables(tmp_path, [], CONFIG)
    assert "nothing to compare" in (tmp_path / "table.txt").read_text()
    assert (tmp_path / "table.txt").read_text() == (tmp_path / "table.md").read_text()
    assert json.loads((tmp_path / "table.json").read_text()) == []


def test_rows_are_checked_while_reading(tmp_path):
    (tmp_path / "stamp.json").write_text('{"fingerprint": "f", "outputs": {}}')
    good = {
        "task": "knn", "metric": "top1", "value": 0.5, "num_images": 4, "num_bootstrap": 100,
        "dataset": "d", "split": "val", "protocol": "p",
    }  # fmt: skip
    (tmp_path / "rows.json").write_text(json.dumps([good]))
    np.savez(tmp_path / "predictions.npz", correct_top1=np.array([True, False, True, False]))
    (found,) = read_rows(tmp_path, arm="a", seed=1)
    assert (found.arm, found.seed, found.fingerprint, found.correct.tolist()) == ("a", 1, "f", [1, 0, 1, 0])
    (tmp_path / "rows.json").write_text(json.dumps([good | {"num_images": 5}]))
    with pytest.raises(ValueError, match="says 5 images"):
        read_rows(tmp_path, arm="a", seed=1)
    (tmp_path / "rows.json").write_text(json.dumps([good | {"value": "half"}]))
    with pytest.raises(ValueError, match=r"'value'.*'half'"):
        read_rows(tmp_path, arm="a", seed=1)
    (tmp_path / "rows.json").write_text(json.dumps([good | {"num_bootstrap": None}]))
    with pytest.raises(ValueError, match=r"rows\.json: knn top1 .*'num_bootstrap': .* found None"):
        read_rows(tmp_path, arm="a", seed=1)


def dense_row(arm, value, replicates, seed=0) -> Row:
    changes = {"task": "segment", "metric": "miou"}
    made = row(arm, [True, False], seed, **changes)
    return dataclasses.replace(made, value=value, correct=None, replicates=np.asarray(replicates))


def test_differences_of_any_metric_are_paired_by_resample(rng):
    shared = rng.normal(0.5, 0.2, 2000)  # what is hard for both
    gain = rng.normal(0.03, 0.01, 2000)
    lines = table_lines([dense_row("ibot", 0.5, shared), dense_row("hssl", 0.53, shared + gain)], CONFIG)
    hssl = line_of(lines, "hssl")
    of_value = np.quantile(shared + gain, [0.025, 0.975]) + 0.53 - (shared + gain).mean()
    assert [hssl["ci_low"], hssl["ci_high"]] == pytest.approx(list(of_value))
    expected = np.quantile(gain, [0.025, 0.975]) + 0.03 - gain.mean()  # the mean is moved to the difference
    assert [hssl["difference_ci_low"], hssl["difference_ci_high"]] == pytest.approx(list(expected))
    assert verdicts(lines, CONFIG)[0].endswith(", 1 seed, better at this seed, on this machine")


def test_several_seeds_of_any_metric_average_their_replicates(rng):
    replicates = {(arm, seed): rng.random(500) for arm in ("ibot", "hssl") for seed in (0, 1)}
    replicates["hssl", 0][3] = np.nan  # a resample on which the metric does not exist
    rows = [dense_row(arm, np.nanmean(values), values, seed) for (arm, seed), values in replicates.items()]
    hssl = line_of(table_lines(rows, CONFIG), "hssl")
    mean = (replicates["hssl", 0] + replicates["hssl", 1]) / 2
    moved = np.mean([np.nanmean(replicates["hssl", seed]) for seed in (0, 1)]) - np.nanmean(mean)
    expected = np.nanquantile(mean, [0.025, 0.975]) + moved
    assert [hssl["ci_low"], hssl["ci_high"]] == pytest.approx(list(expected))
    difference = mean - (replicates["ibot", 0] + replicates["ibot", 1]) / 2
    scatter = np.nanquantile(difference, [0.025, 0.975]) - np.nanmean(difference)
    found = np.array([hssl["difference_ci_low"], hssl["difference_ci_high"]]) - hssl["difference"]
    assert found == pytest.approx(scatter)


def test_a_further_data_set_has_rows_of_its_own_beside_those_of_the_experiment(tmp_path):
    own = [row(arm, np.arange(40) < good) for arm, good in (("ibot", 20), ("hssl", 30))]
    flowers = {"evaluation": "flowers", "dataset": "flowers", "split": "test"}
    further = [row(arm, np.arange(60) < good, **flowers) for arm, good in (("ibot", 45), ("hssl", 15))]
    lines = table_lines([*own, *further], CONFIG)
    found = {(line["dataset"], line["arm"]): (line["value"], line["difference"]) for line in lines}
    assert found == {
        ("d_s", "ibot"): (0.5, None), ("d_s", "hssl"): (0.75, 0.25),
        ("flowers", "ibot"): (0.75, None), ("flowers", "hssl"): (0.25, -0.5),
    }  # fmt: skip
    assert [line.get("evaluation") for line in lines] == [None, None, "flowers", "flowers"]
    first, second = verdicts(lines, CONFIG)
    assert first.startswith("HSSL \N{MINUS SIGN} iBOT: +25.0 points k-NN top-1 [")
    assert second.startswith("HSSL \N{MINUS SIGN} iBOT: -50.0 points k-NN on flowers top-1 [")
    (answer,) = answers(lines, CONFIG)
    assert "; of 2 tasks: 1 better, 1 worse (" in answer
    write_tables(tmp_path, lines, CONFIG)
    header, _, *rows = (tmp_path / "table.txt").read_text().splitlines()
    assert header.split()[:3] == ["data", "set", "task"]
    assert [line.split()[0] for line in rows[:4]] == ["d_s", "d_s", "flowers", "flowers"]
    with open(tmp_path / "table.csv", newline="") as stream:
        listed = list(csv.DictReader(stream))
    assert [line["dataset"] for line in listed] == ["d_s", "d_s", "flowers", "flowers"]
    assert {line["task"] for line in listed} == {"knn"}
    alone = tmp_path / "alone"
    write_tables(alone, table_lines(own, CONFIG), CONFIG)
    assert (alone / "table.txt").read_text().startswith("task")
    assert "evaluation" not in json.loads((alone / "table.json").read_text())[0]
    assert "evaluation" not in listed[0]


def test_few_shots_have_the_interval_over_draws_and_images_paired(rng):
    """Two arms that are wrong on the same draws: their difference is known well, their values are not."""
    hard = rng.random((8, 1)) * 0.4
    base = rng.random((8, 400)) < 0.3 + hard
    better = base | (rng.random((8, 400)) < 0.1)
    rows = [
        dataclasses.replace(row(arm, of.ravel(), task="knn-1-shot", num_images=400), correct=None, by_draw=of)
        for arm, of in (("ibot", base), ("hssl", better))
    ]
    lines = table_lines(rows, CONFIG)
    hssl = line_of(lines, "hssl")
    assert hssl["draws"] == 8
    assert hssl["difference"] == pytest.approx(better.mean() - base.mean())
    assert 0 < hssl["difference_ci_low"] < hssl["difference"] < hssl["difference_ci_high"]
    assert hssl["ci_high"] - hssl["ci_low"] > 3 * (hssl["difference_ci_high"] - hssl["difference_ci_low"])
    (answer,) = answers(lines, CONFIG)
    assert answer.endswith("(95 % intervals over test images, and over draws of the few training images).")
    assert coverage(lines).startswith("One seed: the intervals are over test images, and over draws of")


def test_a_floor_that_every_probe_measures_is_a_line_of_its_own_and_is_there_once():
    scatter, rows = 0.01 * np.linspace(0, 1, 50), []

    def measured(arm, value, scatter, **changes):
        one = row(arm, [1], metric="map")
        drawn = {"value": value, "correct": None, "replicates": value + scatter}
        return dataclasses.replace(one, **drawn, **changes)

    for arm, value in (("random", 0.3), ("ibot", 0.6), ("hssl", 0.7)):
        rows.append(measured(arm, value, scatter))
        rows.append(measured("prevalence", 0.2, scatter[::-1], is_floor=True))
    lines = table_lines(rows, CONFIG)
    assert [line["arm"] for line in lines] == ["random", "ibot", "hssl", "prevalence"]
    (floor,) = [line for line in lines if line["arm"] == "prevalence"]
    assert floor["value"] == 0.2
    assert floor["difference"] == pytest.approx(-0.4)
    assert floor["floors"] == {}
    low, high = lines[2]["floors"]["prevalence"]
    assert 0.48 < low < 0.5 < high < 0.52
    assert len(verdicts(lines, CONFIG)) == 1


def test_what_rounds_to_nothing_has_no_minus():
    assert [points(each) for each in (-0.0004, 0.0004, -0.0006, 0.026)] == ["+0.0", "+0.0", "-0.1", "+2.6"]
