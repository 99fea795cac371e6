"""Computes the golden numbers with PyTorch in float64: case -> numbers, for each file."""

import torch

from tests.golden import networks, recipe
from tests.golden.numbers import Numbers, numbers_of_groups
from tests.oracles import torch_heads


def double(arrays):
    return None if arrays is None else {name: torch.tensor(a).double() for name, a in arrays.items()}


def plain(tensors):
    return None if tensors is None else {name: t.detach().numpy() for name, t in tensors.items()}


def three_steps(case) -> Numbers:
    from pipeline.pretrain.step import initial_state
    from tests.oracles.torch_steps import steps

    config = recipe.config_of(case)
    inputs = recipe.inputs_of(config, initial_state(config))
    student, teacher = double(inputs.student), double(inputs.teacher)
    outcomes = [
        (terms, plain(gradients), plain(centers))
        for terms, gradients, centers in steps(
            config, student, teacher, inputs.batches, inputs.rates, inputs.drop_paths
        )
    ]
    return numbers_of_groups(recipe.groups_of_steps(inputs, outcomes, plain(student), plain(teacher)))


def numbers(inputs, weights, forward, *, moved=()) -> Numbers:
    """Values of `forward`, and gradients of its sum to all weights and to the inputs named in `moved`.

    Args:
        forward: (weights, inputs) as tensors -> values by name, and what is differentiated.
    """
    p = {name: value.requires_grad_() for name, value in double(weights).items()}
    given = {name: torch.tensor(a) for name, a in inputs.items()}
    given = {name: t.double() if t.is_floating_point() else t for name, t in given.items()}
    for name in moved:
        given[name].requires_grad_()
    values, total = forward(p, given)
    sources = {name: given[name] for name in moved} | p
    slopes = dict(zip(sources, torch.autograd.grad(total, list(sources.values())), strict=True))
    return numbers_of_groups(networks.groups_of(inputs, weights, plain(values), plain(slopes)))


def head(kind) -> Numbers:
    from tests.pipeline.models.auxiliary_heads.small_head import GRID, NUM_HEADS, build, head_config

    def forward(p, given):
        vector = torch_heads.head(
            p,
            head_config(kind),
            given["map"].permute(0, 3, 1, 2),
            grid=GRID,
            num_heads=NUM_HEADS,
            drop_path_scales=given["scales"],
        )
        return {"vector": vector}, (vector * given["weighting"]).sum()

    return numbers(networks.head_inputs(), networks.weights_of(build(kind)), forward, moved=["map"])


def base(case) -> Numbers:
    from tests.oracles import torch_bases
    from tests.pipeline.models.backbones.small_base import base_config, build

    kind, changes, size = networks.BASES[case]
    config = base_config(kind, **changes)

    def forward(p, given):
        maps, cls, patches = torch_bases.base(p, config, given["images"], given["mask"], given["scales"])
        total = (cls * given["cls weighting"]).sum() + (patches**2 * given["patch weighting"]).sum()
        return {"cls": cls, "patches": patches, "map": maps[-1].permute(0, 2, 3, 1)}, total

    return numbers(networks.base_inputs(config, size), networks.weights_of(build(config)), forward)


def dense(case) -> Numbers:
    from pipeline.datasets.targets import IGNORED
    from tests.oracles import torch_dense

    def uper(p, given):
        logits = torch_dense.uper(p, [given[f"map {i}"] for i in range(4)], given["scales"])
        return {"logits": logits}, (logits * given["weighting"]).sum()

    def fpn(p, given):
        levels = torch_dense.fpn(p, [given[f"map {i}"] for i in range(4)])
        return {f"level {i}": level for i, level in enumerate(levels)}, sum((x**2).sum() for x in levels)

    def mask_head(p, given):
        logits = torch_dense.mask_head(p, given["pooled"], given["classes"])
        return {"logits": logits}, (logits**2).sum()

    def loss(p, given):
        beta = networks.SMOOTH_L1_BETA
        value = torch_dense.loss(case, given["x"], given["target"], beta=beta, ignored=IGNORED)
        return {"loss": value}, (value * given.get("weighting", 1)).sum()

    if case in networks.LOSSES:
        return numbers(networks.loss_inputs(case), {}, loss, moved=["x"])
    network, inputs = networks.DENSE[case]
    maps = [name for name in inputs() if name.startswith("map")]
    forward = {"UPerNet": uper, "FPN": fpn, "mask head": mask_head}[case]
    return numbers(inputs(), networks.weights_of(network()), forward, moved=maps)


FILES = {
    "ibot": (three_steps, recipe.IBOT_CASES),
    "methods": (three_steps, recipe.METHOD_CASES),
    "heads": (head, torch_heads.BLOCKS),
    "bases": (base, networks.BASES),
    "dense": (dense, (*networks.DENSE, *networks.LOSSES)),
}


def doctor_losses() -> list[dict[str, float]]:
    """The terms of every step of `pipeline.doctor.answers.fixed_training`."""
    from pipeline.doctor.answers import fixed_training as fixed
    from pipeline.pretrain.drop_path_masks import draw_drop_path
    from pipeline.pretrain.step import initial_state
    from tests.oracles.torch_steps import steps

    config = fixed.config()
    state = initial_state(config)
    start = fixed.start_of(fixed.shapes_of(state.student), fixed.shapes_of(state.teacher))
    batches = [fixed.batch_of(step) for step in range(fixed.NUM_STEPS)]
    drop_paths = [draw_drop_path(config, batch, step) for step, batch in enumerate(batches)]
    rates = [fixed.RATES] * fixed.NUM_STEPS
    found = steps(config, double(start.student), double(start.teacher), batches, rates, drop_paths)
    return [terms for terms, _, _ in found]
