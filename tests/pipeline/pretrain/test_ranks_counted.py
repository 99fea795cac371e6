"""Two ranks pretrain on the CUDA path, counted: a card each, exchanging over the stand-in for NCCL.

As in test_step_counted no kernel runs; what NCCL would exchange is exchanged.
"""

import subprocess
import sys
from dataclasses import asdict
from itertools import pairwise

import pytest

from pipeline.runtime.mpi import command_of_ranks, installed_mpi
from pipeline.storage.files import write_json
from tests.cuda_counting.build import counting_toolkit
from tests.cuda_counting.counted_training import read_steps
from tests.cuda_toolkit import toolkit_13
from tests.pipeline.pretrain.test_step_counted import FIRST_QUIET, ROOT, Run, counted_job, of_size
from tests.pipeline.several_ranks import needs_mpi

pytestmark = [pytest.mark.counted, needs_mpi]
NUM_STEPS = 8
NUM_RANKS = 2


def environment(**variables: str) -> dict[str, str]:
    tools = counting_toolkit(toolkit_13())
    return tools.environment | {"COUNTING_CARDS": str(NUM_RANKS), "PYTHONPATH": str(ROOT)} | variables


def on_ranks(arguments: list[str], **variables: str) -> str:
    """Output of a program of this project on two ranks over the counting libraries."""
    command = command_of_ranks(installed_mpi(), NUM_RANKS, [sys.executable, *arguments])
    done = subprocess.run(
        command, cwd=ROOT, env=environment(**variables), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> list[Run]:
    """ViT-S/16, a batch of 64, 32 on each rank."""
    folder = tmp_path_factory.mktemp("ranks")
    job = counted_job(counting_toolkit(toolkit_13()), *of_size("vit-small", NUM_STEPS), folder)
    write_json(folder / "job.json", asdict(job))
    said = on_ranks(["-m", "tests.cuda_counting.counted_training", str(folder / "job.json")])
    assert said.count("exchanged by NCCL") == NUM_RANKS
    return [Run(read_steps(folder / "output" / f"rank{rank}")) for rank in range(NUM_RANKS)]


def exchanged(run: Run) -> list[dict[str, int]]:
    """What each step between the logged ones exchanged."""
    steps = run.steps[FIRST_QUIET:]
    return [
        {name: after.exchanged[name] - before.exchanged[name] for name in before.exchanged}
        for before, after in pairwise(steps)
    ]


def test_nobody_waits_between_logged_steps(trained):
    """Neither for the device nor for what it exchanges."""
    for run in trained:
        assert len(run.quiet) >= NUM_STEPS - FIRST_QUIET - 1
        assert {(step.waits, step.downloads, step.allocations) for step in run.quiet} == {(0, 0, 0)}


def test_a_step_exchanges_its_gradients_centres_and_losses_in_few_launches(trained, capsys):
    steps = [step for run in trained for step in exchanged(run)]
    assert all(step == steps[0] for step in steps)
    with capsys.disabled():
        print(f"\nexchanged in a step of ViT-S/16 on each of two ranks: {steps[0]}")
    assert steps[0]["launches"] <= 10
    assert steps[0]["gathers"] == 0
    # Gradients of what is trained, as 4 bytes each; centres and losses beside them are below 1 %.
    assert 1.0 <= steps[0]["bytes"] / gradient_bytes() < 1.01


def gradient_bytes() -> int:
    """Of the network that is trained."""
    code = (
        "from pipeline.runtime.start_jittor import start; start('cpu', 1)\n"
        "from pipeline.pretrain.step import initial_state\n"
        "from tests.pipeline.pretrain.test_step_counted import of_size\n"
        "student = initial_state(of_size('vit-small', 1)[0]).student\n"
        "print('elements', sum(value.numel() for _, value in student.named_parameters()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return 4 * int(done.stdout.split("elements")[1])


def test_parts_of_the_backward_pass_launch_few_kernels_more_than_the_whole(trained, capsys):
    launches = {step.launches + step.products for run in trained for step in run.quiet}
    with capsys.disabled():
        print(f"\nkernels and products of a step on each of two ranks: {sorted(launches)}")
    assert max(launches) <= 900


def test_memory_of_a_rank(trained):
    for run in trained:
        assert 5e8 < run.steps[-1].counts.peak_bytes < 6e9
        first, last = run.steps[FIRST_QUIET].counts, run.steps[-1].counts
        assert (first.live_bytes, first.pinned_bytes) == (last.live_bytes, last.pinned_bytes)


EXCHANGE = """
import sys
import numpy as np
from pipeline.runtime import mpi
from pipeline.runtime.start_jittor import start
start(f"cuda:{mpi.card_of_rank('cuda').index}", 1)
import jittor as jt
from pipeline.ranks import device_exchange, exchange
from pipeline.ranks.connecting import connect
print("exchanged by", connect(), flush=True)
device_exchange._PART_BYTES, exchange._BUCKET_BYTES = 4000, 4000
ranks = exchange.ranks_of_this_process()
sizes = [(2, 3), (2,), (50, 10), (7, 11, 13), (20,)]
of_all = [[np.random.default_rng(rank).standard_normal(size).astype(np.float32) for size in sizes]
          for rank in range(ranks.count)]
# Arrays are copied to the device and back; a kernel, as of a single number, would write nothing.
given = [jt.array(value) for value in of_all[ranks.index]]
for mean, *values in zip(ranks.all_reduce_mean(given), *of_all):
    assert np.array_equal(mean.numpy(), (values[0] + values[1]) / 2), mean
for value, own in zip(given, of_all[ranks.index]):
    assert np.array_equal(value.numpy(), own)
assert np.array_equal(ranks.all_gather(given[0]).numpy(), np.concatenate([values[0] for values in of_all]))
assert np.array_equal(ranks.all_reduce_sum(given[1]).numpy(), of_all[0][1] + of_all[1][1])
assert ranks.sum_of_counts(3 + ranks.index) == 7
assert ranks.broadcast_decision(ranks.is_first) and not ranks.broadcast_decision(not ranks.is_first)
ranks.check_equal({"mean": ranks.all_reduce_mean(given)[2]})
try:
    ranks.check_equal({"own": given[2]})
except exchange.RanksDiffer as error:
    assert ranks.index == 1 and "rank 1 of 2 does not hold" in str(error)
else:
    assert ranks.is_first
ranks.barrier()
print("checked", flush=True)
"""


def test_what_is_exchanged_from_device_to_device_is_what_numpy_adds():
    said = on_ranks(["-c", EXCHANGE])
    assert said.count("exchanged by ('NCCL 2.28.3', None)") == said.count("checked") == NUM_RANKS


@pytest.mark.parametrize(
    ("visible", "cards"),
    [(None, [0, 1]), ("1,0", [1, 0]), ("1", [1]), ("1,7,0", [1]), ("", [])],
)
def test_the_cards_are_those_that_the_user_leaves_visible(visible, cards):
    code = (
        "from pipeline.runtime.cuda.cards import installed_driver\n"
        "print(*(card.name.split()[-1] for card in installed_driver().cards))"
    )
    variables = environment() if visible is None else environment(CUDA_VISIBLE_DEVICES=visible)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=variables, capture_output=True, text=True, check=True
    )
    assert [int(name) for name in done.stdout.split()] == cards


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"HSSL_NCCL": "/nowhere/libnccl.so.2"}, "rank 0: /nowhere/libnccl.so.2 cannot be loaded"),
        ({"STAND_IN_REFUSES": "1"}, "rank 1: ncclCommInitRank: an error of the stand-in"),
    ],
)
def test_without_nccl_the_same_goes_through_the_host_and_the_reason_is_said(variables, reason):
    said = on_ranks(["-c", EXCHANGE], **variables)
    assert said.count("checked") == NUM_RANKS
    slow = f"exchange through the host's memory, which is slow: {reason}"
    assert said.count(slow) == NUM_RANKS
