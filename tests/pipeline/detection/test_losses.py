import numpy as np
import pytest

LOGITS = [-200.0, -120.0, -30.0, -1.0, 0.0, 0.5, 30.0, 120.0, 200.0]


@pytest.fixture
def losses(jt):
    from pipeline.detection import losses

    return losses


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")


def compare(torch, loss, oracle, inputs, tolerance=1e-5):
    """Values, and slopes in the first input, against PyTorch in float64; each value reads one row of it."""
    values, slopes = loss(*inputs)
    exact = torch.tensor(inputs[0], dtype=torch.float64, requires_grad=True)
    others = [torch.tensor(array) for array in inputs[1:]]
    expected = oracle(exact, *[each.double() if each.is_floating_point() else each for each in others])
    expected.sum().backward()
    assert np.allclose(values, expected.detach().numpy(), rtol=tolerance, atol=tolerance)
    assert np.allclose(slopes, exact.grad.numpy(), rtol=tolerance, atol=tolerance)


def test_binary_cross_entropy(losses, torch):
    logits, targets = (
        grid.astype(np.float32) for grid in np.meshgrid(LOGITS, [0.0, 0.3, 1.0], indexing="ij")
    )
    oracle = torch.nn.functional.binary_cross_entropy_with_logits
    compare(
        torch, losses.binary_cross_entropy, lambda x, t: oracle(x, t, reduction="none"), [logits, targets]
    )


@pytest.mark.parametrize("beta", [1 / 9, 1.0])
def test_smooth_l1(losses, torch, rng, beta):
    x, target = rng.normal(size=(2, 50, 4)).astype(np.float32)
    oracle = torch.nn.functional.smooth_l1_loss
    compare(
        torch,
        lambda x, t: losses.smooth_l1(x, t, beta),
        lambda x, t: oracle(x, t, beta=beta, reduction="none"),
        [x, target],
    )


@pytest.mark.parametrize("scale", [1.0, 200.0])
def test_cross_entropy(losses, torch, rng, scale):
    logits, labels = (rng.uniform(-1, 1, (40, 7)) * scale).astype(np.float32), rng.integers(0, 7, 40)
    oracle = torch.nn.functional.cross_entropy
    compare(torch, losses.cross_entropy, lambda x, t: oracle(x, t, reduction="none"), [logits, labels])


def test_a_uniform_softmax_costs_the_log_of_the_number_of_classes(losses):
    values, _ = losses.cross_entropy(np.zeros((3, 5), np.float32), np.array([0, 4, 2]))
    assert values == pytest.approx([np.log(5)] * 3, rel=1e-12)


def test_logits_of_200(losses):
    logits = np.array([[200.0, -200.0]], np.float32)
    for label, expected, slope in ((0, 0.0, 0.0), (1, 400.0, 1.0)):
        values, slopes = losses.cross_entropy(logits, np.array([label]))
        assert values.item() == pytest.approx(expected, abs=1e-6)
        assert slopes[0].tolist() == pytest.approx([slope, -slope], abs=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_costs_what_is_not_finite(losses, value):
    x = np.array([[value, 1, 2, 3]], np.float32)
    for values, _ in (
        losses.cross_entropy(x, np.array([1])),
        losses.binary_cross_entropy(x, np.zeros_like(x)),
        losses.smooth_l1(x, np.zeros_like(x), 1.0),
    ):
        assert not np.isfinite(values.sum())


def test_giou_of_what_is_no_number_is_none(losses):
    boxes = np.array([[np.nan, 1, 2, 3]], np.float32)
    assert np.isnan(losses.giou_loss(boxes, np.array([[0, 0, 1, 1]], np.float32))[0]).all()


def test_with_gradients(jt, losses, rng):
    array = rng.normal(size=(3, 2, 4)).astype(np.float32)
    x = jt.array(array)
    square = losses.KnownLoss((array**2).sum(), x, 2 * array)
    found = losses.with_gradients({"square": [square]})["square"]
    assert found.item() == pytest.approx((array**2).sum())
    # A part of a longer chain, and beside another use of x.
    gradient = jt.grad(3 * found + x.sum(), x).numpy()
    assert np.allclose(gradient, 6 * array + 1, rtol=1e-6)
    with pytest.raises(ValueError, match="KnownLoss: output \\(3, 2, 4\\), gradient \\(3, 8\\)"):
        losses.KnownLoss(0.0, x, array.reshape(3, 8))


def test_terms_of_several_outputs(jt, losses, rng):
    """Two losses of one output, in one term and in two; a term that nothing is derived of; one that is 0."""
    first, second = (rng.normal(size=shape).astype(np.float32) for shape in ((4, 3), (5,)))
    x, y = jt.array(first), jt.array(second)
    square, cube = losses.KnownLoss((first**2).sum(), x, 2 * first), losses.KnownLoss(1.5, x, 3 * first**2)
    of_y = losses.KnownLoss((second**2).sum(), y, 2 * second)
    terms = {"one": [square, 0.5 * of_y], "two": [cube, 2.0 * square], "three": [losses.KnownLoss.nothing(y)]}
    found = losses.with_gradients(terms)
    assert list(found) == ["one", "two", "three"]
    squares = (first**2).sum(), (second**2).sum()
    expected = [squares[0] + squares[1] / 2, 1.5 + 2 * squares[0], 0]
    assert [value.item() for value in found.values()] == pytest.approx(expected, rel=1e-6)
    to_x, to_y = (each.numpy() for each in jt.grad(found["one"] - 3 * found["two"] + found["three"], [x, y]))
    assert np.allclose(to_x, 2 * first - 3 * (3 * first**2 + 4 * first), rtol=1e-5, atol=1e-6)
    assert np.allclose(to_y, second, rtol=1e-6)
    alone = jt.grad(losses.with_gradients(terms)["two"], [x, y])
    assert np.allclose(alone[0].numpy(), 3 * first**2 + 4 * first, rtol=1e-5, atol=1e-6)
    assert not alone[1].numpy().any()


def giou(a, b):
    """One pair of boxes, as the paper writes it."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return common / union - (hull - union) / hull


def test_giou_and_its_gradient(losses, random_boxes):
    """Against the paper's formula in float64, and its central differences."""
    boxes, targets = random_boxes(60, 100), random_boxes(60, 100)
    pairs = list(zip(boxes.tolist(), targets.tolist(), strict=True))
    values, slopes = losses.giou_loss(boxes, targets)
    assert np.allclose(values, [1 - giou(a, b) for a, b in pairs], atol=1e-12)
    for row, (a, b) in zip(slopes, pairs, strict=True):
        for side in range(4):
            step = np.eye(4)[side] * 1e-5
            slope = (giou(np.array(a) - step, b) - giou(np.array(a) + step, b)) / 2e-5
            assert row[side] == pytest.approx(slope, abs=1e-6)


def test_giou_of_equal_boxes_is_1(losses, random_boxes):
    """T21: GIoU of equal boxes is 1, and its gradient finite."""
    boxes = random_boxes(20, 100)
    values, slopes = losses.giou_loss(boxes, boxes)
    assert np.abs(values).max() < 1e-6
    assert np.isfinite(slopes).all()


def test_giou_of_degenerate_boxes(losses):
    """T21: boxes without area give finite losses and gradients, zero where both boxes are one point."""
    points = np.array([[5, 5, 5, 5], [5, 5, 5, 5], [2, 2, 9, 2]], np.float32)
    targets = np.array([[5, 5, 5, 5], [0, 0, 9, 9], [0, 0, 9, 9]], np.float32)
    values, slopes = losses.giou_loss(points, targets)
    assert np.isfinite(values).all()
    assert np.isfinite(slopes).all()
    assert (slopes[0] == 0).all()
    assert np.abs(slopes).max() < 1


def test_nothing_to_learn_from_costs_nothing(losses):
    boxes, logits = np.zeros((0, 4), np.float32), np.zeros((0, 3), np.float32)
    for values, slopes in (
        losses.giou_loss(boxes, boxes),
        losses.smooth_l1(boxes, boxes, 1 / 9),
        losses.binary_cross_entropy(logits, logits),
        losses.cross_entropy(logits, np.zeros(0, np.int64)),
    ):
        assert values.sum() == 0
        assert slopes.size == 0
