import numpy as np
import pytest


def test_cls_pairs_meet_every_other_global_view(jt):
    from pipeline.pretrain.pairs import cls_pairs

    pairs = cls_pairs(num_global=2, num_views=3, num_images=2)
    found = set(zip(pairs.student_rows.tolist(), pairs.teacher_rows.tolist(), strict=True))
    # View 0 learns from 1, view 1 from 0, the local view 2 from both; image b stays image b.
    assert found == {(0, 2), (1, 3), (2, 0), (3, 1), (4, 0), (4, 2), (5, 1), (5, 3)}
    assert pairs.weights.sum() == pytest.approx(1)
    assert (np.diff(pairs.student_rows) >= 0).all()


def test_masked_patches_weigh_crops_equally(jt):
    from pipeline.pretrain.pairs import masked_patches

    masks = np.zeros((2, 2, 4, 4), bool)
    masks[0, 0, 0, :3] = True
    masks[1, 1, 2, 1] = True
    hidden = masked_patches(masks)
    real = hidden.weights > 0
    assert hidden.rows[real].tolist() == [0, 1, 2, 3 * 16 + 9]
    # Two of four crops have hidden patches: each of those crops weighs 1/4.
    assert hidden.weights[real] == pytest.approx([1 / 12] * 3 + [1 / 4])
    assert len(hidden.rows) % 16 == 0


def test_no_hidden_patch_at_all_costs_nothing(jt):
    from pipeline.pretrain.pairs import masked_patches

    hidden = masked_patches(np.zeros((2, 3, 4, 4), bool))
    assert hidden.weights.sum() == 0
    assert len(hidden.rows) > 0, "kernels need at least one row"


def test_cross_entropy_of_a_case_worked_by_hand(jt):
    from pipeline.pretrain.pairs import Pairs, cross_entropy

    # Uniform teacher over two prototypes, student logits (t ln 3, 0): softmax is (3/4, 1/4).
    temperature = 0.1
    student = jt.array(np.array([[temperature * np.log(3), 0.0]], np.float32))
    teacher = jt.array(np.array([[0.5, 0.5]], np.float32))
    zero = np.zeros(1, np.int32)
    prototypes = jt.array(np.eye(2, dtype=np.float32))
    pairs = Pairs(zero, zero, np.array([2.0], np.float32))
    loss = cross_entropy(student, prototypes, teacher, pairs, temperature)
    assert loss.item() == pytest.approx(2 * -0.5 * (np.log(3 / 4) + np.log(1 / 4)), rel=1e-5)
