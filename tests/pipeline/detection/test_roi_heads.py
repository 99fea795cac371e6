import numpy as np
import pytest


def built(head):
    from pipeline.models.initialization import initialize_head

    initialize_head(head, seed=3)
    return head


@pytest.mark.parametrize(("class_agnostic", "num_boxes"), [(True, 1), (False, 5)])
def test_box_head_shapes(jt, rng, small_heads, class_agnostic, num_boxes):
    from pipeline.detection.roi_heads import BoxHead

    head = built(BoxHead(small_heads(class_agnostic=class_agnostic, box_convs=2, box_fcs=1), 5))
    logits, deltas = head(jt.array(rng.normal(size=(3, 16, 7, 7)).astype(np.float32)))
    assert logits.shape == [3, 6]
    assert deltas.shape == [3, num_boxes, 4]


def test_boxes_start_where_they_are(jt, rng, small_heads):
    """First predictions are small: a box hardly moves, and no class is preferred."""
    from pipeline.detection.roi_heads import BoxHead

    head = built(BoxHead(small_heads(), 5))
    logits, deltas = head(jt.array(rng.normal(size=(8, 16, 7, 7)).astype(np.float32)))
    assert np.abs(logits.numpy()).max() < 0.5
    assert np.abs(deltas.numpy()).max() < 0.5


def test_rows_of_the_deltas(small_heads, jt):
    from pipeline.detection.roi_heads import BoxHead

    classes = np.array([2, 0, 5, 4])  # 5: the background
    assert BoxHead(small_heads(class_agnostic=True), 5).box_rows(classes).tolist() == [0, 1, 2, 3]
    assert BoxHead(small_heads(class_agnostic=False), 5).box_rows(classes).tolist() == [2, 5, 10, 19]
