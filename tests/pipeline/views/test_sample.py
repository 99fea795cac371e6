import numpy as np

from pipeline.config.stages import FeaturesConfig
from pipeline.config.views import ViewsConfig
from pipeline.views.sample import drawn_sample


class Counted:
    """Stands for a data set with so many images in each part, one part after the other."""

    def __init__(self, **counts):
        self.rows, start = {}, 0
        for part in ("train", "val", "test"):
            self.rows[part] = np.arange(start, start + counts.get(part, 0))
            start += counts.get(part, 0)

    def indices(self, part):
        return self.rows[part]


def drawn(**counts):
    config = ViewsConfig(features=FeaturesConfig(), num_shown=4, num_bank=3, num_pictures=2)
    return drawn_sample(Counted(**counts), config)


def test_of_many_images_a_few_are_looked_at_from_end_to_end():
    sample = drawn(train=1_281_167, test=50_000)
    assert (sample.part, len(sample.shown), len(sample.bank)) == ("test", 4, 3)
    assert sample.shown[[0, -1]].tolist() == [1_281_167, 1_331_166]
    assert sample.bank[[0, -1]].tolist() == [0, 1_281_166]
    assert sample.pictures.tolist() == sample.shown[[0, -1]].tolist()


def test_without_test_images_another_part_is_shown():
    assert drawn(train=5, val=2).part == "val"
    alone = drawn(train=5)
    assert (alone.part, len(alone.bank)) == ("train", 0), "no image is its own neighbour"
