"""Against NumPy in float64, and PyTorch where it is installed."""

import numpy as np
import pytest


@pytest.fixture(params=["fused", "plain"])
def soft_target_loss(jt, request):
    """The loss, by compiled kernels and by Jittor's own operators."""
    from pipeline import kernels
    from pipeline.classification.loss import soft_target_loss

    kernels.use(request.param)
    yield soft_target_loss
    kernels.use("fused")


def made_up(rng, num_images, num_classes):
    """Logits, and targets as mixing makes them: some of one class alone, exact zeros included."""
    logits = 4 * rng.normal(size=(num_images, num_classes))
    targets = rng.dirichlet(np.full(num_classes, 0.3), num_images)
    targets[0] = np.eye(num_classes)[1]
    return logits.astype(np.float32), targets.astype(np.float32)


@pytest.mark.parametrize(("num_images", "num_classes"), [(1, 2), (6, 3), (5, 1000)])
def test_loss_and_gradient(jt, rng, soft_target_loss, num_images, num_classes):
    logits, targets = made_up(rng, num_images, num_classes)
    exact, wanted = logits.astype(np.float64), targets.astype(np.float64)
    log_probs = exact - np.log(np.exp(exact).sum(axis=1, keepdims=True))
    expected = -(wanted * log_probs).sum() / num_images
    expected_gradient = (np.exp(log_probs) * wanted.sum(axis=1, keepdims=True) - wanted) / num_images
    x = jt.array(logits)
    loss = soft_target_loss(x, jt.array(targets))
    assert loss.item() == pytest.approx(expected, rel=2e-6)
    np.testing.assert_allclose(jt.grad(loss, x).numpy(), expected_gradient, atol=3e-7)


def test_loss_and_gradient_are_torchs(jt, rng, soft_target_loss):
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    logits, targets = made_up(rng, 7, 26)
    theirs = torch.tensor(logits, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(theirs, torch.tensor(targets))
    expected.backward()
    x = jt.array(logits)
    loss = soft_target_loss(x, jt.array(targets))
    assert loss.item() == pytest.approx(expected.item(), rel=2e-6)
    np.testing.assert_allclose(jt.grad(loss, x).numpy(), theirs.grad.numpy(), atol=3e-7)


def test_shapes_that_disagree_are_refused(jt, soft_target_loss):
    with pytest.raises(ValueError, match=r"logits \(2, 3\), targets \(3, 2\)"):
        soft_target_loss(jt.zeros((2, 3)), jt.zeros((3, 2)))


@pytest.mark.parametrize("scale", [1, 60])
def test_binary_loss_and_gradient_are_torchs(jt, rng, scale):
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    from pipeline.classification.loss import binary_loss

    logits = (scale * rng.normal(size=(6, 5))).astype(np.float32)
    logits[0, 0] = 0
    targets = rng.random((6, 5)).astype(np.float32)
    targets[:, :2] = [0, 1]
    theirs = torch.tensor(logits, requires_grad=True)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(theirs, torch.tensor(targets))
    expected.backward()
    x = jt.array(logits)
    loss = binary_loss(x, jt.array(targets))
    assert loss.item() == pytest.approx(expected.item(), rel=2e-6)
    np.testing.assert_allclose(jt.grad(loss, x).numpy(), theirs.grad.numpy(), atol=3e-7)


def test_binary_loss_of_other_shapes_is_refused(jt):
    from pipeline.classification.loss import binary_loss

    with pytest.raises(ValueError, match="expected one shape"):
        binary_loss(jt.zeros((2, 3)), jt.zeros((2, 2)))
