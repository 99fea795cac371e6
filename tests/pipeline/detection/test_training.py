"""The losses of a step: finite whatever the images hold, repeatable, and with the right gradients."""

import math

import numpy as np
import pytest

TWO = [(6, 8, 30, 34, 0), (36, 30, 58, 56, 2)]
ONE = [(10, 20, 40, 50, 1)]
TERMS = ["loss_objectness", "loss_anchors", "loss_classes", "loss_boxes", "loss_masks"]


def values_of(network, batch):
    from pipeline.detection.training import detection_losses

    network.train()
    return {name: term.item() for name, term in detection_losses(network, batch).items()}


def gradients_of(jt, network, batch):
    from pipeline.detection.training import detection_losses

    network.train()
    parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
    total = sum(detection_losses(network, batch).values())
    found = jt.grad(total, list(parameters.values()))
    return {name: gradient.numpy() for name, gradient in zip(parameters, found, strict=True)}


@pytest.mark.parametrize("heads", [{}, {"stages": 1}, {"mask_heads": "last", "class_agnostic": True}])
def test_every_part_learns(jt, small_detector, painted_batch, heads):
    network, batch = small_detector(**heads), painted_batch([TWO, ONE])
    values = values_of(network, batch)
    assert list(values) == TERMS
    assert all(math.isfinite(value) and value > 0 for value in values.values()), values
    still = [name for name, gradient in gradients_of(jt, network, batch).items() if not gradient.any()]
    assert not still, "no parameter is left out"


def test_t13_images_without_objects(jt, small_detector, painted_batch):
    """T13: only negative anchors and background boxes; all is finite, boxes and masks have no loss."""
    network, batch = small_detector(), painted_batch([[], []])
    values = values_of(network, batch)
    assert list(values) == TERMS
    assert all(math.isfinite(value) for value in values.values())
    assert values["loss_anchors"] == values["loss_boxes"] == values["loss_masks"] == 0
    assert min(values["loss_objectness"], values["loss_classes"]) > 0
    gradients = gradients_of(jt, network, batch)
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())
    assert not any(gradient.any() for name, gradient in gradients.items() if ".masks." in name)
    mixed = values_of(network, painted_batch([[], TWO]))
    assert all(math.isfinite(value) for value in mixed.values())
    assert mixed["loss_boxes"] > 0


def test_t14_a_crowd_teaches_nothing(jt, small_detector, painted_batch):
    """T14: a crowd over the whole image leaves no anchor and no box to train on: every loss is 0."""
    batch = painted_batch([[(0, 0, 64, 64, 0)]], crowd=[0])
    assert len(batch.truths[0].boxes) == 0
    network = small_detector(inner_anchors_only=True)  # anchors that leave the image may be outside
    values = values_of(network, batch)
    assert all(value == 0 for value in values.values()), values


def test_without_masks(jt, small_detector, painted_batch):
    """Boxes alone are trained, from data that have no masks."""
    batch = painted_batch([TWO, ONE], masks=False)
    values = values_of(small_detector(masks=False), batch)
    assert list(values) == TERMS[:-1]
    assert values_of(small_detector(), batch)["loss_masks"] == 0


def test_views_of_different_sizes(jt, small_detector, painted_scene):
    from pipeline.detection.batches import batch_of

    views = [painted_scene(64, 40, [(6, 8, 30, 34, 0)]), painted_scene(33, 64, [])]
    half = np.full(3, 0.5)
    batch = batch_of(views, ["a", "b"], np.array([1, 2]), mean=half, std=half, multiple=32)
    assert batch.images.shape == (2, 3, 64, 64)
    assert all(math.isfinite(value) for value in values_of(small_detector(), batch).values())


def test_draws_follow_the_seeds_of_the_batch(jt, small_detector, painted_batch):
    network = small_detector()
    first, again, other = (painted_batch([TWO, ONE], seed=seed) for seed in (0, 0, 1))
    values = values_of(network, first)
    assert values == values_of(network, first) == values_of(network, again)
    assert values != values_of(network, other)


def test_a_frozen_backbone_gets_no_gradient(jt, small_detector, painted_batch):
    gradients = gradients_of(jt, small_detector(frozen=True), painted_batch([TWO]))
    assert not any(name.startswith("backbone.") for name in gradients)
    assert gradients["heads.fpn.lateral.0.weight"].any()


def test_gradients_along_random_directions(jt, small_detector, painted_batch, monkeypatch, rng):
    """Reading boxes in the middle of the graph leaves the gradients of all parts right.

    Where the proposals are held still, as the gradient assumes, the loss changes as its gradient says.
    """
    from pipeline.detection import training

    network, batch = small_detector(class_agnostic=True), painted_batch([TWO, ONE])
    proposals = [
        np.concatenate([truth.boxes + shift for shift in (-6, 3, 9)] + [np.array([[1, 40, 20, 60]], "f4")])
        for truth in batch.truths
    ]
    monkeypatch.setattr(network, "proposals", lambda *_, **__: proposals)
    monkeypatch.setattr(training, "_refined", lambda *_: proposals)
    gradients = gradients_of(jt, network, batch)
    parameters = dict(network.named_parameters())
    start = {name: parameters[name].numpy().copy() for name in gradients}
    for part in ("backbone.", "heads.pyramid.", "heads.fpn.", "heads.rpn.", "heads.boxes.", "heads.masks."):
        names = [name for name in gradients if name.startswith(part)]
        slope = sum((gradients[name].astype(np.float64) ** 2).sum() for name in names)
        step = 0.0002 / math.sqrt(slope)  # small: the loss has kinks
        found = []
        for sign in (1, -1):
            for name in names:
                parameters[name].assign(jt.array(start[name] + sign * step * gradients[name]))
            found.append(sum(values_of(network, batch).values()))
        for name in names:
            parameters[name].assign(jt.array(start[name]))
        assert (found[0] - found[1]) / (2 * step) == pytest.approx(slope, rel=0.03), part


def test_t26_equal_seeds_give_equal_weights(jt, small_detector, painted_batch, tmp_path):
    """T26: same seed and same number of threads, the same weights to the bit."""
    from pipeline.config.dense import FinetuneSchedule
    from pipeline.config.stages import RuntimeConfig
    from pipeline.detection.training import detection_losses
    from pipeline.finetune.training import finetune
    from pipeline.models.weights import named_arrays

    schedule = FinetuneSchedule(num_steps=4, batch_size=2, lr=1e-3, warmup_steps=0, drop_path_rate=0.2)

    def trained(name, seed):
        network = small_detector(seed=seed)
        (tmp_path / name).mkdir()
        finetune(
            network,
            make_batch=lambda step: painted_batch([TWO, ONE], seed=100 * seed + step),
            losses=lambda batch, drop_path_scales: detection_losses(network, batch, drop_path_scales),
            schedule=schedule,
            seed=seed,
            run=name,
            output=tmp_path / name,
            runtime=RuntimeConfig(),
            report=lambda progress: None,
        )
        return named_arrays(network)

    first, second, other = trained("first", 3), trained("second", 3), trained("other", 4)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not all(np.array_equal(first[name], other[name]) for name in first)
