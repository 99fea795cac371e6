import numpy as np
import pytest

from pipeline.doctor.answers.references import adamw_step

SHAPES = [(3, 5), (17,), (1,), (2, 3, 4), (9001,)]
DECAYED = [True, False, False, True, True]
LR_SCALES = [1.0, 0.5, 1.0, 0.81, 0.1]
BETAS, EPS = (0.9, 0.999), 1e-8
HYPER = {"decayed": DECAYED, "lr_scales": LR_SCALES, "betas": BETAS, "eps": EPS}


def drawn(rng, scale=1.0):
    return [(rng.normal(size=shape) * scale).astype(np.float32) for shape in SHAPES]


def optimizer(jt, arrays, max_norm=0.0):
    from pipeline.kernels.adamw import AdamW

    parameters = [jt.array(array) for array in arrays]
    return AdamW(parameters, **HYPER, max_gradient_norm=max_norm), parameters


def assert_same(parameters, expected, tolerance=2e-6):
    for parameter, value in zip(parameters, expected, strict=True):
        assert np.abs(parameter.numpy() - value).max() < tolerance


@pytest.mark.parametrize("max_norm", [0.0, 0.3, 1e6])
def test_five_steps_with_changing_rates_and_a_frozen_tensor(kernels, jt, rng, max_norm):
    start = drawn(rng)
    adamw, parameters = optimizer(jt, start, max_norm)
    values, counts = [a.astype(np.float64) for a in start], [0] * len(start)
    moments = [(np.zeros(s), np.zeros(s)) for s in SHAPES]
    for step in range(5):
        gradients, rates = drawn(rng), {"lr": 0.01 * (step + 1), "weight_decay": 0.1 * step}
        frozen = frozenset([0] if step < 2 else [])
        adamw.step([jt.array(g) for g in gradients], **rates, frozen=frozen)
        exact = [g.astype(np.float64) for g in gradients]
        adamw_step(values, exact, moments, counts, **rates, **HYPER, max_norm=max_norm, frozen=frozen)
        assert_same(parameters, values)
    assert adamw.state()["steps"].tolist() == [3, 5, 5, 5, 5]
    assert all(parameter.requires_grad for parameter in parameters)


def test_a_frozen_tensor_keeps_its_bits_and_moments(kernels, jt, rng):
    start = drawn(rng)
    adamw, parameters = optimizer(jt, start)
    adamw.step([jt.array(g) for g in drawn(rng)], lr=0.1, weight_decay=0.1, frozen=frozenset([0]))
    assert np.array_equal(parameters[0].numpy(), start[0])
    assert not adamw.state()["first_moment"][:15].any()
    assert adamw.state()["first_moment"][15:].all()


def test_torch_agrees(kernels, jt, rng):
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    start = drawn(rng)
    adamw, parameters = optimizer(jt, start)
    theirs = [torch.nn.Parameter(torch.tensor(a)) for a in start]
    groups = [
        {"params": [parameter], "weight_decay": 0.05 * decayed, "lr": 0.02 * scale}
        for parameter, decayed, scale in zip(theirs, DECAYED, LR_SCALES, strict=True)
    ]
    reference = torch.optim.AdamW(groups, betas=BETAS, eps=EPS)
    for _ in range(4):
        gradients = drawn(rng)
        adamw.step([jt.array(g) for g in gradients], lr=0.02, weight_decay=0.05)
        for parameter, gradient in zip(theirs, gradients, strict=True):
            parameter.grad = torch.tensor(gradient)
        reference.step()
    assert_same(parameters, [p.detach().numpy() for p in theirs])


def test_a_resumed_run_is_the_same_bit_for_bit(kernels, jt, rng):
    start, gradients = drawn(rng), [drawn(rng) for _ in range(4)]
    whole, whole_parameters = optimizer(jt, start, 0.5)
    first, first_parameters = optimizer(jt, start, 0.5)
    for index, each in enumerate(gradients):
        whole.step([jt.array(g) for g in each], lr=0.01, weight_decay=0.1)
        if index < 2:
            first.step([jt.array(g) for g in each], lr=0.01, weight_decay=0.1)
    second, second_parameters = optimizer(jt, [p.numpy() for p in first_parameters], 0.5)
    second.load_state(first.state())
    for each in gradients[2:]:
        second.step([jt.array(g) for g in each], lr=0.01, weight_decay=0.1)
    for found, expected in zip(second_parameters, whole_parameters, strict=True):
        assert np.array_equal(found.numpy(), expected.numpy())


def test_what_was_queued_before_the_step_sees_the_old_values(kernels, jt):
    from pipeline.kernels.adamw import AdamW

    weight = jt.array(np.full(4, 2.0, np.float32))
    loss = (weight + 1.0).sum()
    gradient = jt.grad(loss, weight)
    AdamW([weight], decayed=[False], max_gradient_norm=0).step([gradient], lr=0.5, weight_decay=0)
    assert loss.item() == 12
    assert (weight + 1.0).sum().item() == pytest.approx(10, abs=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("steps"), "entries"),
        (lambda s: s.update(steps=s["steps"][:2]), r"steps is int64 \(2,\)"),
        (lambda s: s.update(sizes=s["sizes"][::-1].copy()), "tensors of other sizes"),
    ],
)
def test_a_state_of_another_optimiser_is_refused(jt, rng, change, message):
    adamw, _ = optimizer(jt, drawn(rng))
    state = adamw.state()
    change(state)
    with pytest.raises(ValueError, match=message):
        adamw.load_state(state)


def test_gradients_that_do_not_fit(jt, rng):
    adamw, parameters = optimizer(jt, drawn(rng))
    with pytest.raises(ValueError, match="4 gradients for 5 parameters"):
        adamw.step(parameters[1:], lr=1, weight_decay=0)
    with pytest.raises(ValueError, match="gradient 0 is float32 \\(17,\\)"):
        adamw.step([parameters[1], *parameters[1:]], lr=1, weight_decay=0)
    with pytest.raises(ValueError, match=r"frozen \[5\]"):
        adamw.step(parameters, lr=1, weight_decay=0, frozen=frozenset([5]))
