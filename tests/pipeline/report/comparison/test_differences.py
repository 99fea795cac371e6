import numpy as np
import pytest

from pipeline.report.comparison.differences import compared, same_protocol
from pipeline.report.comparison.locating import read_all
from pipeline.storage.artifacts import artifacts_root
from tests.pipeline.report.comparison.conftest import NUM_TEST
from tests.pipeline.report.comparison.made import publish

EVEN = np.arange(NUM_TEST) % 2 == 0
MORE = EVEN | (np.arange(NUM_TEST) < 8)  # 4 images more


def of(results, *names):
    return compared(read_all(names, results=results, start=results))


def test_shared_test_images_are_paired_wherever_they_lie(datasets, tmp_path):
    publish(tmp_path, "a", datasets["first"], {("ibot", 0): EVEN, ("hssl", 0): EVEN}, k=10)
    publish(tmp_path, "b", datasets["moved"], {("ibot", 0): EVEN, ("hssl", 0): MORE}, k=20)
    (ibot, hssl), refusals = of(tmp_path, "a", "b")
    assert refusals == []
    assert (ibot.arm, ibot.value, ibot.low, ibot.high) == ("ibot", 0, 0, 0)
    # 4 of 40 gained and none lost: the paired error is sqrt(0.1 x 0.9 / 40) = 0.047; unpaired it is 0.11.
    assert (hssl.reference, hssl.other, hssl.value) == ("a", "b", pytest.approx(0.1))
    assert hssl.low == pytest.approx(0.1 - 1.96 * 0.047, abs=0.02)
    assert hssl.high == pytest.approx(0.1 + 1.96 * 0.047, abs=0.02)


def test_experiments_may_have_different_seeds(datasets, tmp_path):
    publish(tmp_path, "a", datasets["first"], {("hssl", 0): EVEN})
    publish(tmp_path, "b", datasets["first"], {("hssl", seed): MORE for seed in (1, 2, 3)})
    (difference,), _ = of(tmp_path, "a", "b")
    assert difference.value == pytest.approx(0.1)
    assert 0 < difference.low < 0.1 < difference.high


def test_other_test_images_are_refused(datasets, tmp_path):
    publish(tmp_path, "a", datasets["first"], {("hssl", 0): EVEN})
    publish(tmp_path, "b", datasets["other"], {("hssl", 0): EVEN})
    differences, (refusal,) = of(tmp_path, "a", "b")
    assert differences == []
    assert refusal.sentence == (
        "b and a are not compared in knn: other test images: 40 of other test; 40 of first test"
    )


def test_another_protocol_is_refused_and_named(datasets, tmp_path):
    outcomes = {("hssl", 0): EVEN}
    publish(tmp_path, "a", datasets["first"], outcomes)
    publish(tmp_path, "words", datasets["first"], outcomes, k="20, all tokens, k=10")
    publish(tmp_path, "grid", datasets["first"], outcomes, knn={"ks": [10]})
    publish(tmp_path, "newer", datasets["first"], outcomes, knn={"ks": [20], "a_new_key": 1})
    differences, refusals = of(tmp_path, "a", "words", "grid", "newer")
    assert [difference.other for difference in differences] == ["newer"]
    assert [refusal.other for refusal in refusals] == ["words", "grid"]
    assert "other protocol: 'k-NN, cosine, T=0.07, k=20, all tokens" in refusals[0].reason
    assert refusals[1].reason == "other protocol: ks [10] and [20]"


def test_what_one_side_lacks_is_said(datasets, tmp_path):
    publish(tmp_path, "a", datasets["first"], {("ibot", 0): EVEN, ("hssl", 0): EVEN})
    publish(tmp_path, "b", datasets["first"], {("ibot", 0): EVEN})
    publish(tmp_path, "c", datasets["first"], {("ibot", 0): EVEN}, task="linear")
    _, refusals = of(tmp_path, "a", "b", "c")
    assert [(refusal.other, refusal.tasks, refusal.reason) for refusal in refusals] == [
        ("b", ("knn of hssl",), "only in a"),
        ("c", ("knn",), "only in a"),
        ("c", ("linear",), "only in c"),
    ]


def test_outcomes_that_are_gone_leave_no_guess(datasets, tmp_path):
    publish(tmp_path, "a", datasets["first"], {("hssl", 0): EVEN})
    publish(tmp_path, "b", datasets["first"], {("hssl", 0): MORE})
    for path in artifacts_root(tmp_path).glob("knn/*/stamp.json"):
        path.unlink()
    differences, (refusal,) = of(tmp_path, "a", "b")
    assert differences == []
    assert "not known" in refusal.reason


def test_outcomes_that_were_made_again_give_no_interval(datasets, tmp_path):
    publish(tmp_path, "a", datasets["first"], {("hssl", 0): EVEN})
    publish(tmp_path, "b", datasets["first"], {("hssl", 0): MORE})
    for path in artifacts_root(tmp_path).glob("knn/*/rows.json"):
        path.write_text(path.read_text().replace(str(float(MORE.mean())), "0.9"))
    (difference,), _ = of(tmp_path, "a", "b")
    assert (difference.value, difference.low) == (pytest.approx(0.1), None)
    assert difference.note == "b: knn top1 of hssl was made again since its table, and differs"


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        ("k-NN, cosine, T=0.07, k=10 chosen on validation", "k-NN, cosine, T=0.07, k=? chosen on validation"),
        ("SGD, base lr 0.2 chosen on validation", "SGD, base lr ? chosen on validation"),
        ("C=1 chosen on validation, not converged in 9 iterations", "C=? chosen on validation"),
        ("mean of 10 draws, 3 not converged in 9 iterations", "mean of 10 draws"),
        ("base lr 0.4: iBOT's own practice, best", "base lr ?: iBOT's own practice, best"),
        ("k-NN, k=20", "k-NN, k=20"),
    ],
)
def test_what_is_chosen_on_validation_is_no_protocol(found, kept):
    assert same_protocol(found) == kept


def test_a_further_data_set_is_compared_under_its_name_and_never_with_own_images(datasets, tmp_path):
    flowers = {"evaluation": "flowers"}
    publish(tmp_path, "a", datasets["first"], {("hssl", 0): EVEN}, **flowers)
    publish(tmp_path, "b", datasets["moved"], {("hssl", 0): MORE}, **flowers)
    publish(tmp_path, "own", datasets["first"], {("hssl", 0): EVEN})
    (difference,), refusals = of(tmp_path, "a", "b", "own")
    assert (difference.task, difference.value) == ("knn on flowers", pytest.approx(0.1))
    assert 0 < difference.low < 0.1 < difference.high
    assert {(refusal.other, refusal.tasks, refusal.reason) for refusal in refusals} == {
        ("own", ("knn on flowers",), "only in a"), ("own", ("knn",), "only in own"),
    }  # fmt: skip
