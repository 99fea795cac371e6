import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from pipeline.config.data import DataConfig
from pipeline.config.stages import ScheduleConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare
from pipeline.training.step_images import step_images


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """60 images in five shards, 48 of them to train on, among them the held-out ones."""
    folder = tmp_path_factory.mktemp("shards")
    rng = np.random.default_rng(0)
    for shard in range(5):
        with tarfile.open(folder / f"{shard}.tar", "w") as archive:
            for number in range(12):
                stream = io.BytesIO()
                Image.fromarray(rng.integers(0, 256, (6, 7, 3), np.uint8)).save(stream, "PNG")
                image, label = stream.getvalue(), b"%d" % (number % 2)
                for name, content in ((f"{number}.png", image), (f"{number}.cls", label)):
                    info = tarfile.TarInfo(name)
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))
    config = DataConfig(source=str(folder), max_store_gib=0.0, test_share=0.2, val_share=0.0)
    prepare(config, folder / "prepared", num_workers=1)
    return PreparedDataset.open(folder / "prepared")


def schedule(**shuffle):
    return ScheduleConfig(batch_size=5, epochs=4, shuffle=shuffle or None)


def of_step(images, step):
    return images.rows(step).tolist(), [each.tobytes() for each in images.images(step, at_least=4)]


def test_images_are_those_of_the_rows(shards):
    for each in (schedule(), schedule(buffer=16, block=4)):
        images = step_images(shards, each, num_steps=38, seed=1)
        for step in range(38):
            rows, pixels = of_step(images, step)
            assert pixels == [shards.image(row).tobytes() for row in rows]
        seen = np.concatenate([images.rows(step) for step in range(38)])[:144]
        assert np.array_equal(np.sort(seen.reshape(3, 48)), np.tile(shards.indices("train"), (3, 1)))


def test_a_resume_inside_an_epoch_goes_on_as_if_there_had_been_none(shards):
    through = step_images(shards, schedule(buffer=16, block=4), num_steps=38, seed=1)
    expected = [of_step(through, step) for step in range(38)]
    resumed = step_images(shards, schedule(buffer=16, block=4), num_steps=38, seed=1)
    assert [of_step(resumed, step) for step in range(13, 38)] == expected[13:]


def test_shards_are_read_in_long_stretches(shards, monkeypatch):
    """Of 48 images in blocks of 12, an epoch takes a few reads, not one for each image."""
    reads = []
    files = shards._images._source
    read = files._range
    monkeypatch.setattr(files, "_range", lambda *place: reads.append(place) or read(*place))
    images = step_images(shards, schedule(buffer=24, block=12), num_steps=9, seed=1)
    for step in range(9):
        images.images(step, at_least=4)
    assert len(reads) <= 8  # a block may end in the next shard
    reads.clear()
    whole = step_images(shards, schedule(), num_steps=9, seed=1)
    for step in range(9):
        whole.images(step, at_least=4)
    assert len(reads) > 30
