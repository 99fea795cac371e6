"""Sums of a dense step have a fixed order on a device: none of Jittor's operators adds up what threads share.

Seen over the device sources built for the processor, where Jittor's part of a step is that of a card; there
cuBLAS multiplies.
"""

import re

import pytest

from tests.cuda_on_host.loading import use_device_sources

# Of a batch of matrices: on a card an operator of cuBLAS, here made of Jittor's own.
PRODUCT = ["broadcast_to", "broadcast_to", "binary", "reduce"]


def of(task: str) -> dict:
    """Parameters of a step; the precision is said, as "auto" asks a card."""
    return {"task": task, "changes": {f"{task}.schedule.precision": "float32"}}


def adding(jt, step) -> list[str]:
    """Keys of Jittor's operators in a step whose sums have no fixed order on a card."""
    jt.sync_all(True)
    jt.profiler.start(0, 0)
    step()
    jt.sync_all(True)
    jt.profiler.stop()
    keys = [row[0] for row in jt.profiler.report()[1:]]
    assert len(keys) > 20  # else they were not counted
    # What is relayed is a product, or a convolution of colours, which a library computes. A maximum is the
    # same in any order.
    return [
        key
        for key in keys
        if "relay" not in key
        and re.search(r"reduce«(\w+:\w+«)*OP:(?!maximum|minimum)|setitem.*OP:add", key)
        and re.findall(r"opkey\d+:(\w+)", key) != PRODUCT
    ]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["segmentation", "detection"])
def test_nothing_of_jittors_adds(jt, monkeypatch, tmp_path, task):
    from benchmarks.dense_step import DenseStep

    if jt.flags.use_cuda:
        pytest.skip("for the processor's build of the sources")
    use_device_sources(monkeypatch)
    step = DenseStep(of(task), tmp_path)
    assert adding(jt, step.repeat) == []


@pytest.mark.slow
def test_nothing_of_jittors_adds_in_batch_norms_of_ranks(jt, monkeypatch, tmp_path):
    from benchmarks.dense_step import DenseStep
    from pipeline.ranks.whole_batch import shared_among
    from tests.pipeline.ranks.twins import TWINS

    if jt.flags.use_cuda:
        pytest.skip("for the processor's build of the sources")
    use_device_sources(monkeypatch)
    step = DenseStep(of("segmentation"), tmp_path)
    with shared_among(TWINS):
        assert adding(jt, step.repeat) == []


@pytest.mark.slow
def test_what_adds_is_seen(jt, tmp_path):
    """A sum of Jittor's own beside a step of a detector, which has none."""
    from benchmarks.dense_step import DenseStep

    if jt.flags.use_cuda:
        pytest.skip("a card has other operators")
    step = DenseStep({"task": "detection"}, tmp_path)

    def with_a_sum() -> None:
        step.repeat()
        jt.random((8, 8)).sum().sync()

    assert len(adding(jt, with_a_sum)) == 1
