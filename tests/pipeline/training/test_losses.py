import math

import pytest


def losses_of(jt, total, **terms):
    from pipeline.training.losses import Losses

    return Losses(jt.array(total), {name: jt.array(value) for name, value in terms.items()})


def test_the_mean_is_over_microbatches(jt):
    from pipeline.training.losses import mean_losses

    mean = mean_losses([losses_of(jt, 1.0, cls=2.0), losses_of(jt, 4.0, cls=6.0)])
    assert mean.total.item() == 2.5
    assert {name: term.item() for name, term in mean.terms.items()} == {"cls": 4.0}


def test_a_detached_loss_keeps_its_value_and_gives_no_gradient(jt):
    from pipeline.training.losses import Losses

    weight = jt.array([3.0])
    loss = (weight * weight).sum()
    detached = Losses(loss, {"square": loss}).detached()
    assert detached.total.item() == detached.terms["square"].item() == 9.0
    (gradient,) = jt.grad(detached.total * 2 + weight.sum(), [weight])
    assert gradient.item() == 1.0


def test_a_loss_that_is_not_finite_names_step_losses_and_images(jt):
    from pipeline.training.losses import read_losses

    values = {"loss_base_cls": jt.array(math.nan), "loss_base_patch": jt.array(2.0)}
    message = r"step 7: .*\{'loss_base_cls': nan\}; all .*'loss_base_patch': 2\.0\}; images: a\.png, b\.png$"
    with pytest.raises(FloatingPointError, match=message):
        read_losses(7, values, lambda: ["a.png", "b.png"])


def test_of_many_images_the_first_are_named_and_the_rest_counted(jt):
    from pipeline.training.losses import read_losses

    with pytest.raises(FloatingPointError, match=r"images: 0, 1, .*, 15 and 84 more$"):
        read_losses(1, {"loss": jt.array(math.inf)}, lambda: [str(index) for index in range(100)])


def test_finite_losses_ask_for_no_names(jt):
    from pipeline.training.losses import read_losses

    assert read_losses(1, {"loss": jt.array(0.5)}, lambda: pytest.fail("asked")) == {"loss": 0.5}
