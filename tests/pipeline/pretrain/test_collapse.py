import math

import numpy as np
import pytest


def teacher_output(jt, probs, features):
    from pipeline.pretrain.outputs import TeacherOutput

    probs = None if probs is None else jt.array(probs.astype(np.float32))
    return TeacherOutput(features=jt.array(features.astype(np.float32)), cls_probs=probs)


def test_statistics_of_even_outputs(jt):
    from pipeline.pretrain.collapse import collapse, teacher_statistics

    found = teacher_statistics(teacher_output(jt, np.eye(8), np.concatenate([np.eye(4), -np.eye(4)])))
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
def test_collapse_is_warned_of(jt, probs, features, word):
    from pipeline.pretrain.collapse import collapse, teacher_statistics

    assert word in collapse(teacher_statistics(teacher_output(jt, probs, features)), 8)


def test_a_method_without_prototypes_is_monitored_by_its_features_alone(jt):
    from pipeline.pretrain.collapse import same_features, teacher_statistics

    assert list(teacher_statistics(teacher_output(jt, None, np.eye(4)))) == ["feature_spread"]
    assert same_features(teacher_statistics(teacher_output(jt, None, np.eye(4)))) is None
    assert "same feature vector" in same_features(
        teacher_statistics(teacher_output(jt, None, np.ones((8, 4))))
    )
