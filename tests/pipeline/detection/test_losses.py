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


def compare(jt, torch, loss, oracle, inputs, tolerance=1e-5):
    """Values, and gradients to the first input, against PyTorch in float64."""
    first = jt.array(inputs[0])
    found = loss(first, *[jt.array(array) for array in inputs[1:]])
    exact = torch.tensor(inputs[0], dtype=torch.float64, requires_grad=True)
    expected = oracle(exact, *[torch.tensor(array, dtype=torch.float64) for array in inputs[1:]])
    weights = np.random.default_rng(1).uniform(0.5, 1.5, expected.shape).astype(np.float32)
    (expected * torch.tensor(weights)).sum().backward()
    gradient = jt.grad((found * jt.array(weights)).sum(), first).numpy()
    assert np.allclose(found.numpy(), expected.detach().numpy(), rtol=tolerance, atol=tolerance)
    assert np.allclose(gradient, exact.grad.numpy(), rtol=tolerance, atol=tolerance)


def test_binary_cross_entropy(jt, losses, torch):
    logits, targets = (
        grid.astype(np.float32) for grid in np.meshgrid(LOGITS, [0.0, 0.3, 1.0], indexing="ij")
    )
    oracle = torch.nn.functional.binary_cross_entropy_with_logits
    compare(
        jt,
        torch,
        losses.binary_cross_entropy,
        lambda x, t: oracle(x, t, reduction="none"),
        [logits, targets],
    )


@pytest.mark.parametrize("beta", [1 / 9, 1.0])
def test_smooth_l1(jt, losses, torch, rng, beta):
    x, target = rng.normal(size=(2, 50, 4)).astype(np.float32)
    oracle = torch.nn.functional.smooth_l1_loss
    compare(
        jt,
        torch,
        lambda x, t: losses.smooth_l1(x, t, beta),
        lambda x, t: oracle(x, t, beta=beta, reduction="none"),
        [x, target],
    )


@pytest.mark.parametrize("scale", [1.0, 200.0])
def test_cross_entropy(jt, losses, torch, rng, scale):
    logits = (rng.uniform(-1, 1, (40, 7)) * scale).astype(np.float32)
    labels = rng.integers(0, 7, 40)
    compare(
        jt,
        torch,
        lambda x: losses.cross_entropy(x, labels),
        lambda x: torch.nn.functional.cross_entropy(x, torch.tensor(labels)),
        [logits],
    )


def test_a_uniform_softmax_costs_the_log_of_the_number_of_classes(jt, losses):
    value = losses.cross_entropy(jt.zeros((3, 5)), np.array([0, 4, 2])).item()
    assert value == pytest.approx(np.log(5), rel=1e-6)


def test_logits_of_200(jt, losses):
    logits = jt.array(np.array([[200.0, -200.0]], np.float32))
    for label, expected, slope in ((0, 0.0, 0.0), (1, 400.0, 1.0)):
        loss = losses.cross_entropy(logits, np.array([label]))
        assert loss.item() == pytest.approx(expected, abs=1e-6)
        assert jt.grad(loss, logits).numpy()[0].tolist() == pytest.approx([slope, -slope], abs=1e-6)


def giou(a, b):
    """One pair of boxes, as the paper writes it."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return common / union - (hull - union) / hull


def test_giou_and_its_gradient(jt, losses, random_boxes):
    """Against the paper's formula in float64, and its central differences."""
    boxes, targets = random_boxes(60, 100), random_boxes(60, 100)
    pairs = list(zip(boxes.tolist(), targets.tolist(), strict=True))
    first = jt.array(boxes)
    loss = losses.giou_loss(first, jt.array(targets))
    assert np.allclose(loss.numpy(), [1 - giou(a, b) for a, b in pairs], atol=1e-5)
    gradient = jt.grad(loss.sum(), first).numpy()
    for row, (a, b) in zip(gradient, pairs, strict=True):
        for side in range(4):
            step = np.eye(4)[side] * 1e-5
            slope = (giou(np.array(a) - step, b) - giou(np.array(a) + step, b)) / 2e-5
            assert row[side] == pytest.approx(slope, abs=1e-4)


def test_giou_of_equal_boxes_is_1(jt, losses, random_boxes):
    """T21: GIoU of equal boxes is 1, and its gradient finite."""
    boxes = jt.array(random_boxes(20, 100))
    loss = losses.giou_loss(boxes, boxes.stop_grad())
    assert np.abs(loss.numpy()).max() < 1e-6
    assert np.isfinite(jt.grad(loss.sum(), boxes).numpy()).all()


def test_giou_of_degenerate_boxes(jt, losses):
    """T21: boxes without area give finite losses and gradients, zero where both boxes are one point."""
    points = np.array([[5, 5, 5, 5], [5, 5, 5, 5], [2, 2, 9, 2]], np.float32)
    targets = np.array([[5, 5, 5, 5], [0, 0, 9, 9], [0, 0, 9, 9]], np.float32)
    boxes = jt.array(points)
    loss = losses.giou_loss(boxes, jt.array(targets))
    gradient = jt.grad(loss.sum(), boxes).numpy()
    assert np.isfinite(loss.numpy()).all()
    assert np.isfinite(gradient).all()
    assert (gradient[0] == 0).all()
    assert np.abs(gradient).max() < 1


def test_nothing_to_learn_from_costs_nothing(jt, losses):
    boxes, logits = jt.zeros((0, 4)), jt.zeros((0, 3))
    terms = [
        losses.giou_loss(boxes, boxes).sum(),
        losses.smooth_l1(boxes, boxes, 1 / 9).sum(),
        losses.binary_cross_entropy(logits, logits).sum(),
        losses.cross_entropy(logits, np.zeros(0, np.int64)),
    ]
    assert [term.item() for term in terms] == [0, 0, 0, 0]
    for gradient in jt.grad(sum(terms), [boxes, logits]):
        assert gradient.numpy().size == 0
