import numpy as np


def test_gradients_are_those_of_the_mean_over_all_microbatches(jt, rng):
    """A linear regression, whose gradient is known in closed form."""
    from pipeline.training.losses import Losses
    from pipeline.training.microbatches import accumulated_gradients

    inputs, targets = rng.normal(size=(12, 5)).astype(np.float32), rng.normal(size=12).astype(np.float32)
    weights = rng.normal(size=5).astype(np.float32)
    expected = 2 / 12 * inputs.T.astype(np.float64) @ (inputs.astype(np.float64) @ weights - targets)
    for count in (1, 3):
        parameter, size = jt.array(weights), 12 // count

        def forward(index, parameter=parameter, size=size):
            rows = slice(index * size, (index + 1) * size)
            error = (jt.array(inputs[rows]) * parameter).sum(1) - jt.array(targets[rows])
            return Losses((error * error).sum() / size, {})

        outputs, (gradient,) = accumulated_gradients(forward, count, [parameter])
        np.testing.assert_allclose(gradient.numpy(), expected, rtol=1e-5)
        assert len(outputs) == count


def test_no_graph_outlives_its_microbatch(jt):
    """What a forward pass returned, activations included, would else stay until the step's end."""
    from pipeline.training.losses import Losses
    from pipeline.training.microbatches import accumulated_gradients

    parameter = jt.ones((4,))
    held = []

    def forward(index):
        held.append(jt.liveness_info()["lived_vars"])
        activation = parameter
        for _ in range(20):
            activation = activation * 1.5
        return Losses(activation.sum(), {})

    outputs, _ = accumulated_gradients(forward, 6, [parameter])
    growth = np.diff(held[2:])  # the first two make the gradients' variables and their sums
    assert growth.max() < 20, held
    assert [output.total.item() for output in outputs] == [outputs[0].total.item()] * 6
