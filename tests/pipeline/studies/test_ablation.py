"""The table of `ablate` from hand-made rows."""

import csv
import json
from itertools import product

import numpy as np
import pytest
from scipy import stats

from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.config.studies import AblateConfig
from pipeline.storage.runs import Run, RunKey
from pipeline.studies.ablation import write_ablation
from pipeline.studies.agreement import agreement
from tests.pipeline.studies.made import a_probe, a_training, right

HEADS = {
    "hssl": AuxiliaryHeadConfig(),
    "deep": AuxiliaryHeadConfig(depth=6),
    "shallow": AuxiliaryHeadConfig(depth=1, detached=True),
    "vit": AuxiliaryHeadConfig(kind="vit", first_shortcut=True),
}
CONFIG = AblateConfig(experiment="e", arm="hssl", baseline="ibot", heads=HEADS)
CKA = {"hssl": 0.30, "deep": 0.40, "shallow": 0.10, "vit": 0.20}
RIGHT = {"ibot": 100, "hssl": 110, "deep": 130, "shallow": 90, "vit": 104}


def trained(folder, seeds=(0,)):
    found = []
    for seed in seeds:
        for name in RIGHT:
            head = None if name in (CONFIG.arm, CONFIG.baseline) else name
            key = RunKey(arm=CONFIG.arm if head else name, head=head, seed=seed)
            probe = a_probe(folder / f"knn-{name}-{seed}", right(RIGHT[name] + 2 * seed))
            found.append(Run("knn", key, probe))
            if name in CKA:
                measured = {"cka": CKA[name] + 0.01 * seed, "cosine": 1 - CKA[name]}
                found.append(Run("pretrain", key, a_training(folder / f"pretrain-{name}-{seed}", **measured)))
    return found


def test_discrepancy_and_gain_stand_side_by_side(tmp_path):
    write_ablation(tmp_path, CONFIG, trained(tmp_path / "made"))
    found = json.loads((tmp_path / "ablate.json").read_text())
    lines = {line["name"]: line for line in found["lines"]}
    assert [*lines] == ["ibot", "hssl", "deep", "shallow", "vit"]
    deep = lines["deep"]
    assert (deep["head"], deep["cka"], deep["knn"]) == ("convnext x6, kernel 7", 0.40, 0.65)
    assert deep["knn_gain"] == pytest.approx(0.15)
    # 30 of 200 are gained and none lost: the error is sqrt(0.15 * 0.85 / 200) = 0.025.
    assert deep["knn_gain_ci_low"] == pytest.approx(0.15 - 1.96 * 0.025, abs=0.01)
    assert deep["knn_gain_ci_high"] == pytest.approx(0.15 + 1.96 * 0.025, abs=0.01)
    assert lines["shallow"]["head"] == "convnext x1, kernel 7, detached"
    assert lines["vit"]["head"] == "vit x3, first shortcut"
    assert lines["ibot"]["cka"] is lines["ibot"]["knn_gain"] is deep["kl"] is deep["cka_std"] is None
    taus = {(one["score"], one["gain"]): one for one in found["correlations"]}
    assert taus["cka", "knn_gain"]["tau"] == 1
    assert taus["cosine", "knn_gain"]["tau"] == -1
    assert taus["kl", "knn_gain"]["tau"] is None
    assert taus["cka", "knn_gain"]["count"] == 4
    markdown = (tmp_path / "ablate.md").read_text()
    row = next(line for line in markdown.splitlines() if line.startswith("| deep"))
    assert [cell.strip() for cell in row.split("|")][3:8] == ["0.400", "0.600", "", "65.0", "+15.0"]
    told = "cka against knn_gain, 4 heads: +1.00 [+1.00, +1.00] (95 %), p = 0.083: nothing shown"
    assert told in markdown
    assert "kl against knn_gain, 0 heads: none" in markdown
    with open(tmp_path / "ablate.csv", newline="") as stream:
        assert [float(one["knn"]) for one in csv.DictReader(stream)] == [0.5, 0.55, 0.65, 0.45, 0.52]
    assert r"\toprule" in (tmp_path / "ablate.tex").read_text()
    assert "deep" in (tmp_path / "ablate.txt").read_text()


def test_several_seeds_give_means_and_deviations(tmp_path):
    write_ablation(tmp_path, CONFIG, trained(tmp_path / "made", seeds=(0, 1, 2)))
    deep = json.loads((tmp_path / "ablate.json").read_text())["lines"][2]
    assert deep["seeds"] == [0, 1, 2]
    assert deep["cka"] == pytest.approx(0.41)
    assert deep["cka_std"] == pytest.approx(0.01)
    assert deep["knn"] == pytest.approx(0.66)
    assert deep["knn_std"] == pytest.approx(0.01)
    assert deep["knn_gain_std"] == pytest.approx(0)
    assert "0.410 ± 0.010" in (tmp_path / "ablate.md").read_text()


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_intervals_and_sentences_are_of_the_tables_confidence(tmp_path, confidence):
    config = CONFIG.model_copy(update={"confidence": confidence})
    write_ablation(tmp_path, config, trained(tmp_path / "made"))
    found = json.loads((tmp_path / "ablate.json").read_text())
    assert found["confidence"] == confidence
    deep = next(line for line in found["lines"] if line["name"] == "deep")
    # 30 of 200 images are gained and none lost, so the gain's resamples are binomial.
    expected = np.array(stats.binom.interval(confidence, 200, 0.15)) / 200
    assert [deep["knn_gain_ci_low"], deep["knn_gain_ci_high"]] == pytest.approx(list(expected), abs=1.1 / 200)
    text = (tmp_path / "ablate.txt").read_text()
    # All 24 orders of four heads: perfect agreement or opposition has p = 2 / 24, which only 80 % passes.
    verdict = "the orders agree" if confidence == 0.8 else "nothing shown"
    assert f"4 heads: +1.00 [+1.00, +1.00] ({100 * confidence:g} %), p = 0.083: {verdict}" in text
    assert f"{100 * confidence:g} % interval" in text


ORDER, GAINS = (1.0, 2.0, 3.0, 4.0, 5.0), (0.1, 0.3, 0.2, 0.5, 0.4)


@pytest.fixture(scope="module")
def taus_of_resamples() -> list[float]:
    """Of every resample of five heads that there is."""
    order, gains = np.array(ORDER), np.array(GAINS)
    resamples = (np.array(drawn) for drawn in product(range(5), repeat=5) if len(set(drawn)) > 1)
    return [stats.kendalltau(order[index], gains[index]).statistic for index in resamples]


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_interval_of_tau_is_of_that_confidence_too(taus_of_resamples, confidence):
    lines = [{"cka": a, "knn_gain": b} for a, b in zip(ORDER, GAINS, strict=True)]
    config = CONFIG.model_copy(update={"confidence": confidence, "num_bootstrap": 20_000})
    found = agreement(lines, "cka", "knn_gain", config).correlation
    expected = np.quantile(taus_of_resamples, [(1 - confidence) / 2, (1 + confidence) / 2])
    assert (found.ci_low, found.ci_high) == pytest.approx(tuple(expected), abs=0.03)


def test_without_labels_there_are_discrepancies_only(tmp_path):
    of_heads = [run for run in trained(tmp_path / "made") if run.stage == "pretrain"]
    write_ablation(tmp_path, CONFIG, of_heads)
    lines = json.loads((tmp_path / "ablate.json").read_text())["lines"]
    assert lines[2]["cka"] == 0.40
    assert "knn" not in lines[2]


def test_a_training_without_a_log_is_named(tmp_path):
    made = trained(tmp_path / "made")
    (tmp_path / "made" / "pretrain-vit-0" / "metrics.jsonl").unlink()
    with pytest.raises(ValueError, match=r"pretrain-vit-0/metrics\.jsonl: no line"):
        write_ablation(tmp_path, CONFIG, made)
