import numpy as np
import pytest
from scipy.stats import ttest_1samp

from pipeline.measures.intervals.power import seeds_to_show


@pytest.mark.parametrize(("effect", "seeds"), [(0.5, 34), (0.8, 15), (1.0, 10)])
def test_sizes_of_samples_are_those_of_the_usual_tables(effect, seeds):
    # One-sample t test, two-sided, 5 %, power 80 %: the numbers of G*Power.
    assert seeds_to_show(effect * 0.03, 0.03, confidence=0.95) == seeds
    assert seeds_to_show(-effect * 0.03, 0.03, confidence=0.95) == seeds


def test_so_many_seeds_do_show_it(rng):
    seeds = seeds_to_show(0.02, 0.01, confidence=0.95)
    for count, expected in ((seeds, 0.8), (seeds - 1, 0.0)):
        drawn = rng.normal(0.02, 0.01, (4000, count))
        shown = np.mean(ttest_1samp(drawn, 0, axis=1).pvalue < 0.05)
        assert shown > expected - 0.03
    assert shown < 0.8


def test_what_no_number_of_seeds_shows():
    assert seeds_to_show(0.0, 0.01, confidence=0.95) is None
    assert seeds_to_show(0.0, 0.0, confidence=0.95) is None
    assert seeds_to_show(0.0001, 0.01, confidence=0.95) is None
    assert seeds_to_show(0.01, 0.0, confidence=0.95) == 2
