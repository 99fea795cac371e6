import math

import numpy as np
import pytest


def targets(jt, probs, features):
    from pipeline.pretrain.objective import Targets

    return Targets(
        cls_probs=jt.array(probs.astype(np.float32)),
        hidden=None,
        patch_probs=None,
        mean_cls_logits=None,
        mean_patch_logits=None,
        features=jt.array(features.astype(np.float32)),
    )


def test_statistics_of_even_answers(jt):
    from pipeline.pretrain.monitor import collapse, teacher_statistics

    found = teacher_statistics(targets(jt, np.eye(8), np.concatenate([np.eye(4), -np.eye(4)])))
    assert found["teacher_entropy"] == pytest.approx(0, abs=1e-9)
    assert found["prototype_entropy"] == pytest.approx(math.log(8))
    assert found["feature_spread"] == pytest.approx(1)
    assert collapse(found, 8) is None


@pytest.mark.parametrize(
    ("probs", "features", "word"),
    [
        (np.eye(8), np.ones((8, 4)), "same feature vector"),
        (np.eye(8)[np.zeros(8, int)], np.eye(8), "one prototype"),
        (np.full((8, 8), 1 / 8), np.eye(8), "prefers no prototype"),
    ],
)
def test_collapse_is_said_in_words(jt, probs, features, word):
    from pipeline.pretrain.monitor import collapse, teacher_statistics

    assert word in collapse(teacher_statistics(targets(jt, probs, features)), 8)


def test_a_non_finite_loss_names_step_and_all_terms(jt):
    from pipeline.pretrain.monitor import check_finite

    with pytest.raises(FloatingPointError, match=r"step 7: .*'loss_base_cls': nan.*'loss_base_patch': 2\.0"):
        check_finite(7, {"loss_base_cls": math.nan, "loss_base_patch": 2.0})
