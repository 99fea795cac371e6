"""The stop between base and head: which loss trains which part."""

import numpy as np

from tests.pipeline.pretrain.small_run import a_batch, small_config


def gradients(config, batch, term: str) -> dict[str, np.ndarray]:
    """Gradient of one loss term with respect to every parameter of the student."""
    import jittor as jt

    from pipeline.optim.schedules import Schedule
    from pipeline.pretrain.centers import Centers
    from pipeline.pretrain.drop_path_masks import DropPathMasks
    from pipeline.pretrain.hssl_loss import hssl_losses, teacher_targets
    from pipeline.pretrain.step import initial_state

    state = initial_state(config)
    rates = Schedule(config.schedule, config.objective, num_images=4).at(0)
    targets = teacher_targets(state.teacher, batch, Centers(**state.method_state), rates, patches=True)
    terms = hssl_losses(state.student, batch, targets, DropPathMasks(None, None), config.objective)
    names, parameters = map(list, zip(*state.student.named_parameters(), strict=True))
    found = jt.grad(terms.terms[term], parameters)
    return {name: gradient.numpy() for name, gradient in zip(names, found, strict=True)}


def moved(named: dict[str, np.ndarray], part: str) -> set[str]:
    return {name for name, value in named.items() if name.startswith(part) and np.abs(value).max() > 0}


def test_a_detached_heads_loss_trains_the_head_alone(jt, rng):
    config = small_config()
    detached = small_config(auxiliary_head={"depth": 3, "kernel_size": 3, "detached": True})
    batch = a_batch(config, rng)
    attached, alone = (gradients(c, batch, "auxiliary_cls") for c in (config, detached))
    assert "backbone.patch_embed.weight" in moved(attached, "backbone")
    assert moved(alone, "backbone") == set()
    for name, value in alone.items():
        if not name.startswith("backbone"):
            np.testing.assert_array_equal(value, attached[name], err_msg=name)
    assert "auxiliary_head.blocks.0.conv.weight" in moved(alone, "auxiliary_head")


def test_a_detached_heads_teacher_still_trains_the_base(jt, rng):
    config = small_config()
    detached = small_config(auxiliary_head={"depth": 3, "kernel_size": 3, "detached": True})
    batch = a_batch(config, rng)
    attached, alone = (gradients(c, batch, "base_cls") for c in (config, detached))
    assert "backbone.patch_embed.weight" in moved(alone, "backbone")
    assert moved(alone, "auxiliary_head") == set()
    for name, value in alone.items():
        np.testing.assert_array_equal(value, attached[name], err_msg=name)
