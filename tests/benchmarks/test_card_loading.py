"""Images from files become crops on a device, as in a training; here over its sources on the processor."""

import numpy as np
import pytest

from tests.cuda_on_host.loading import use_device_sources

# The precision is said, as "auto" asks a card.
PARAMETERS = {
    "size": "toy",
    "changes": {"schedule": {"precision": "float32"}},
    "steps": 2,
    "threads": 2,
}


def test_every_image_becomes_crops_on_the_device(jt, monkeypatch, tmp_path):
    from benchmarks.card_loading import CardLoading
    from benchmarks.step_sizes import step_config
    from pipeline.pretrain.batch import PackedBatch

    if not jt.flags.use_cuda:
        use_device_sources(monkeypatch)
    program = CardLoading(PARAMETERS, tmp_path)
    config = step_config("toy")
    images, side = config.schedule.batch_size, config.crops.global_size
    assert program.check == {"numbers of a batch": 2 * images * 3 * side**2}
    assert len(list(tmp_path.glob("*.jpg"))) == 2 * images
    assert program.repeat() > 0
    batches = list(program.batches.of_steps(program.steps))
    assert [type(batch) for batch in batches] == [PackedBatch] * 2
    assert np.isfinite(batches[1].rendered().global_crops.numpy()).all()


@pytest.mark.parametrize("on_device", [False, True])
def test_a_step_takes_the_batches_of_a_loader(jt, monkeypatch, tmp_path, on_device):
    from benchmarks.data_wait import DataWait

    if on_device and not jt.flags.use_cuda:
        use_device_sources(monkeypatch)
    program = DataWait(PARAMETERS, tmp_path)
    assert 0 <= program.repeat() <= 100
    assert program.state.step == 4
