"""Pictures while it trains: drawn of training images, whole, the same after a kill; nothing else changes."""

import numpy as np
import pytest
from PIL import Image

from pipeline.config.monitor import MonitorConfig
from pipeline.config.section import readable_values
from pipeline.training.pictures_of_steps import pictures_of_step
from tests.pipeline.pretrain.monitor.test_monitor import (
    Stopped,
    dataset,  # noqa: F401
    of_seven_steps,
    run,
    weights,
)
from tests.pipeline.pretrain.small_run import small_config


def pictured(config):
    monitor = MonitorConfig(pictures_every_epochs=1, num_images=12, k=3)
    return of_seven_steps(config, monitored=False).model_copy(update={"monitor": monitor})


def drawn(folder):
    found = sorted((folder / "monitor").rglob("*"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found if path.is_file()}


def test_pictures_are_drawn_and_nothing_else_changes(jt, dataset, tmp_path):  # noqa: F811
    plain, before = run(dataset, tmp_path / "plain", of_seven_steps(small_config(), monitored=False))
    state, after = run(dataset, tmp_path / "pictured", pictured(small_config()))
    expected, found = weights(plain), weights(state)
    assert all(np.array_equal(expected[name], found[name]) for name in expected)
    assert after == before  # pictures alone measure nothing
    assert not (tmp_path / "plain" / "monitor").exists()
    assert drawn(tmp_path / "pictured").keys() == {
        f"monitor/step000000{step}/{name}.png" for step in (4, 7) for name in ("attention", "pca")
    }
    with Image.open(pictures_of_step(tmp_path / "pictured", 7)["pca"]) as picture:
        pixels = np.asarray(picture)
    # Three columns of the three queries of twelve images: image, base, auxiliary head.
    assert pixels.shape == (18 + 3 * 164 - 4, 3 * 164 - 4, 3)
    assert pixels.std() > 10


def test_a_killed_and_resumed_run_draws_the_same_pictures(jt, dataset, tmp_path):  # noqa: F811
    config = pictured(small_config())
    whole, _ = run(dataset, tmp_path / "whole", config)
    with pytest.raises(Stopped):
        run(dataset, tmp_path / "parts", config, stop_after=4)
    resumed, _ = run(dataset, tmp_path / "parts", config)
    assert drawn(tmp_path / "parts") == drawn(tmp_path / "whole")
    assert all(np.array_equal(value, weights(resumed)[name]) for name, value in weights(whole).items())


def test_a_monitor_without_pictures_is_what_it_was():
    monitor = MonitorConfig(every_epochs=2)
    assert "pictures_every_epochs" not in monitor.model_dump(mode="json")
    assert "pictures_every_epochs" not in readable_values(monitor)
