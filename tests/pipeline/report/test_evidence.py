import numpy as np

from pipeline.config.tables import TablesConfig
from pipeline.report.evidence import evidence
from pipeline.report.tables import headlines, table_lines
from tests.pipeline.report.test_tables import row

CONFIG = TablesConfig(
    experiment="e", arms=("random", "ibot", "hssl"), baseline="ibot", subjects=("hssl",), floors=("random",)
)


def evidence_for(gained, num_steps=None):
    """Of 100 images each arm gets 50 right, and so many more at each seed."""
    rows = [
        row(arm, np.arange(100) < 50 + more, seed)
        for arm, seeds in gained.items()
        for seed, more in enumerate(seeds)
    ]
    lines = table_lines(rows, CONFIG, num_steps)
    return lines, evidence(headlines(lines), CONFIG)


def test_one_seed_says_nothing_of_others():
    lines, sentences = evidence_for({"random": [0], "ibot": [20], "hssl": [30]}, {"ibot": 400, "hssl": 400})
    assert sentences == [
        "Is it enough? 1 seed, 400 steps of pretraining, 100 test images.",
        # Cohen's tables of one sample, alpha 0.05 and power 0.8, have 10 for an effect of 1 and 34 for 0.5.
        "How many seeds would show a difference depends on its standard deviation over seeds, which one seed "
        "does not tell: 5 where the difference is twice that, 10 where it equals it, 34 where it is half of "
        "it (power 80 %).",
    ]
    assert [line["num_steps"] for line in lines] == [None, 400, 400]
    assert [line["seeds_to_show"] for line in lines] == [None] * 3


def test_several_seeds_say_how_many_would_show_the_difference():
    # Differences 2, 4 and 6 points: mean 4, deviation 2, an effect of 2: 5 seeds by the usual tables.
    lines, sentences = evidence_for({"random": [0] * 3, "ibot": [20] * 3, "hssl": [22, 24, 26]})
    assert sentences == [
        "Is it enough? 3 seeds, 100 test images.",
        "Seeds that would show a difference of the measured size, by its spread over these seeds "
        "(power 80 %): HSSL \N{MINUS SIGN} iBOT: k-NN 5.",
    ]
    assert lines[-1]["seeds_to_show"] == 5


def test_a_floor_that_is_not_beaten_is_named():
    lines, sentences = evidence_for({"random": [1], "ibot": [0], "hssl": [20]})
    assert sentences[2:] == [
        "Caution: not shown to be better than random, a network without training: iBOT in k-NN."
    ]
    _, sentences = evidence_for({"random": [30], "ibot": [30], "hssl": [30]})
    assert sentences[2].endswith(": HSSL and iBOT in k-NN.")
    assert [sorted(line["floors"]) for line in lines] == [[], ["random"], ["random"]]


def test_every_floor_says_what_it_is():
    arms = ("pixels", "ibot", "hssl", "position")
    config = CONFIG.model_copy(update={"arms": arms, "floors": ("pixels", "position")})
    gains = {"pixels": 10, "ibot": 5, "hssl": 40, "position": 40}
    rows = [row(arm, np.arange(100) < 50 + more, 0) for arm, more in gains.items()]
    assert evidence(headlines(table_lines(rows, config)), config)[2:] == [
        "Caution: not shown to be better than position, the most frequent class of each position, whatever "
        "the image shows: HSSL and iBOT in k-NN.",
        "Caution: not shown to be better than pixels, raw pixels without a network: iBOT in k-NN.",
    ]


def test_without_anything_compared_there_is_nothing_to_say():
    _, sentences = evidence_for({"random": [1], "ibot": [0]})
    assert sentences == []
