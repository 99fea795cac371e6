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


def test_a_mask_is_that_of_its_class(jt, rng, small_heads):
    """Equal to a 1 x 1 convolution to all classes, of which one is picked; gradients too."""
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    from pipeline.detection.roi_heads import MaskHead

    head = built(MaskHead(small_heads(mask_convs=2), 3))
    pooled = rng.normal(size=(4, 16, 14, 14)).astype(np.float32)
    classes = np.array([2, 0, 2, 1])
    names, parameters = zip(*head.named_parameters(), strict=True)
    logits = head(jt.array(pooled), classes)
    gradients = jt.grad((logits**2).sum(), list(parameters))

    theirs = {
        name: torch.tensor(value.numpy(), requires_grad=True)
        for name, value in zip(names, parameters, strict=True)
    }
    x = torch.tensor(pooled)
    for index in range(2):
        weight, bias = theirs[f"convs.{index}.weight"], theirs[f"convs.{index}.bias"]
        x = torch.relu(torch.nn.functional.conv2d(x, weight, bias, padding=1))
    # Rows of the deconvolution: row of the window, column, output channel.
    kernel = theirs["enlarge.weight"].reshape(2, 2, 16, 16).permute(3, 2, 0, 1)
    x = torch.relu(torch.nn.functional.conv_transpose2d(x, kernel, theirs["enlarge.bias"], stride=2))
    everything = torch.nn.functional.conv2d(
        x, theirs["predict.weight"][:, :, None, None], theirs["predict.bias"]
    )
    expected = everything[torch.arange(4), torch.tensor(classes)]
    (expected**2).sum().backward()
    assert logits.shape == [4, 28, 28]
    assert np.allclose(logits.numpy(), expected.detach().numpy(), atol=1e-5)
    for name, gradient in zip(names, gradients, strict=True):
        wanted = theirs[name].grad.numpy()
        assert np.abs(gradient.numpy() - wanted).max() < 1e-4 * max(np.abs(wanted).max(), 1e-3), name
