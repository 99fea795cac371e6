import numpy as np
import pytest

from tests.level_maps import levels_of


def samples(rows, positive, deltas):
    from pipeline.detection.targets import AnchorSamples

    return AnchorSamples(
        np.array(rows, np.int64), np.array(positive), np.array(deltas, np.float32).reshape(-1, 4)
    )


@pytest.fixture
def rpn(jt, small_heads):
    from pipeline.detection.rpn import Rpn
    from pipeline.models.initialization import initialize_head

    network = Rpn(small_heads(), (4, 8))
    initialize_head(network, seed=0)
    return network


def test_outputs_are_in_the_order_of_the_anchors(jt, rng, rpn):
    """Where one place of one level changes, only the anchors around that place change."""
    levels = [rng.normal(size=(2, 16, *size)).astype(np.float32) for size in ((6, 8), (3, 4))]
    anchors = rpn.anchors(levels_of([jt.array(level) for level in levels]))

    def outputs():
        given = levels_of([jt.array(level) for level in levels])
        return rpn(given).numpy()[rpn.places(given)]

    before = outputs()
    assert before.shape == (2, len(anchors.boxes), 5) == (2, 3 * (48 + 12), 5)
    levels[1][1, :, 2, 1] += 3  # of the second image, at x = 1.5 * 8, y = 2.5 * 8
    changed = np.abs(outputs() - before).max(axis=2) > 1e-6
    assert not changed[0].any()
    centers = (anchors.boxes[:, :2] + anchors.boxes[:, 2:]) / 2
    near = (np.abs(centers - [12, 20]) <= 8).all(axis=1) & (np.arange(len(centers)) >= anchors.ends[1])
    assert np.array_equal(changed[1], near)


def test_anchors_of_equal_sizes_are_made_once(jt, rpn):
    maps = [jt.ones((1, 16, 4, 4)), jt.ones((1, 16, 2, 2))]
    assert rpn.anchors(levels_of(maps)) is rpn.anchors(levels_of([2 * each for each in maps]))


def test_losses_by_hand(jt):
    from pipeline.detection.losses import Output
    from pipeline.detection.rpn import rpn_losses

    outputs = np.zeros((6, 5), np.float32)
    outputs[2] = [2.0, 0.05, 0.0, 0.0, 1.0]
    outputs[5, 0] = -1.0
    places = np.array([[0, 2, 4], [1, 3, 5]])
    drawn = [samples([1], [True], [[0, 0, 0, 0]]), samples([2, 0], [False, False], [[0] * 8])]
    found = rpn_losses(Output.read(jt.array(outputs)), places, drawn)
    entropy = np.log1p(np.exp(-2.0)) + np.log1p(np.exp(-1.0)) + np.log(2)
    # Square below a ninth: 0.05^2 9 / 2; straight above: 1 - 1 / 18.
    assert [term.value for term in found] == pytest.approx(
        [entropy / 3, (0.05**2 * 4.5 + 1 - 1 / 18) / 3], rel=1e-5
    )


def test_negatives_do_not_move(jt, rng):
    """T13: without positive anchors, deltas have no loss and no gradient."""
    from pipeline.detection.losses import Output
    from pipeline.detection.rpn import rpn_losses

    outputs = jt.array(rng.normal(size=(4, 5)).astype(np.float32))
    drawn = [samples([0, 3], [False, False], [[0] * 8])]
    objectness, anchors = rpn_losses(Output.read(outputs), np.array([[1, 0, 3, 2]]), drawn)
    gradient = objectness.gradient + anchors.gradient
    assert anchors.value == 0 < objectness.value
    assert not gradient[:, 1:].any()
    assert np.flatnonzero(gradient[:, 0]).tolist() == [1, 2]


def test_nothing_drawn(jt, rng):
    from pipeline.detection.losses import Output
    from pipeline.detection.rpn import rpn_losses

    outputs = jt.array(rng.normal(size=(4, 5)).astype(np.float32))
    terms = rpn_losses(Output.read(outputs), np.arange(4)[None], [samples([], np.zeros(0, bool), [])])
    assert [term.value for term in terms] == [0, 0]
    assert not any(term.gradient.any() for term in terms)
