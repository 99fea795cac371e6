"""The known losses are those of PyTorch in float64, the project's are near, and a wrong step is found."""

import pytest

from pipeline.doctor.answers import fixed_training as fixed


@pytest.mark.parametrize("kernels", ["fused", "plain"])
def test_loss_and_steps_are_right(jt, kernels):
    from pipeline import kernels as choice

    choice.use(kernels)
    try:
        for test in fixed.training_tests().values():
            answer = test()
            assert answer.ok, answer
    finally:
        choice.use("fused")


def test_pytorch_gives_the_numbers_of_the_file(jt):
    pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    from tests.golden.with_torch import doctor_losses

    for found, known in zip(doctor_losses(), fixed.known_losses(), strict=True):
        assert found == pytest.approx(known, rel=1e-9)


def test_a_teacher_that_follows_too_slowly_is_found_in_the_steps_alone(jt, monkeypatch):
    from pipeline.pretrain import step

    right = step.ema_update
    monkeypatch.setattr(step, "ema_update", lambda teacher, student, m: right(teacher, student, 0.96))
    answers = {name: test() for name, test in fixed.training_tests().items()}
    assert [name for name, answer in answers.items() if not answer.ok] == ["20 training steps"]
    assert answers["20 training steps"].remedy


def test_a_wrong_loss_is_found(jt, monkeypatch):
    from pipeline.pretrain import hssl_loss

    right = hssl_loss.kernels.l2_normalize
    monkeypatch.setattr(hssl_loss.kernels, "l2_normalize", lambda x, *eps: 1.001 * right(x, *eps))
    assert not fixed.training_tests()["HSSL loss"]().ok
