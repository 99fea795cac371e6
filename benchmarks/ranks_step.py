"""Measures a pretraining step of one rank and of several, with one thread each and the same batch.

python -m benchmarks.ranks_step size=vit-small batch=8 ranks=2 steps=10 repeats=3
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.step_inputs import step_batches, step_rates
from benchmarks.step_sizes import step_config
from pipeline.runtime.mpi import check_runnable, command_of_ranks, environment_of_ranks

ROOT = Path(__file__).resolve().parent.parent
DEFAULTS = {"size": "vit-small", "batch": "8", "ranks": "2", "steps": "10", "repeats": "3"}
_FIGURES = "figures: "  # prefix of the line of figures that rank 0 prints
_WARM_STEPS = 2  # compile, and fill caches


def main(options: dict[str, str]) -> None:
    """Measure one rank and several in turn, `repeats` times, and print the medians."""
    count, found = int(options["ranks"]), {}
    for repeat in range(int(options["repeats"])):
        for ranks in (1, count):
            figures = _of_ranks(ranks, options)
            found.setdefault(ranks, []).append(figures)
            print(f"{repeat + 1}: {ranks} rank(s): {json.dumps(figures)}", flush=True)
    alone, several = (
        {key: statistics.median(each[key] for each in found[ranks]) for key in found[ranks][0]}
        for ranks in (1, count)
    )
    print(f"one rank: {alone['seconds']:.3f} s a step; {count} ranks: {several['seconds']:.3f} s")
    print(f"scaling: {alone['seconds'] / several['seconds'] / count:.2f} of {count} times one rank")
    print(f"copies and sums over ranks: {several['exchange'] / several['seconds']:.1%} of a step")
    print(f"waiting for the slowest rank: {several['waiting'] / several['seconds']:.1%} of a step")
    print(
        f"processor time of a step: {alone['processor']:.3f} s of one rank; {several['processor']:.3f} s of "
        f"each of {count}, {several['exchange_processor']:.3f} s of them copies and sums"
    )
    print(f"sums alone: {several['sum_gib_per_second']:.2f} GiB/s; a step has {several['mib']:.0f} MiB")


def _of_ranks(num_ranks: int, options: dict[str, str]) -> dict[str, float]:
    program = [sys.executable, "-m", "benchmarks.ranks_step", "as-rank", json.dumps(options)]
    command = command_of_ranks(check_runnable(num_ranks, "cpu"), num_ranks, program)
    done = subprocess.run(command, cwd=ROOT, env=environment_of_ranks(1), stdout=subprocess.PIPE, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith(_FIGURES)]
    if done.returncode or not lines:
        raise SystemExit(f"{num_ranks} rank(s) failed with exit code {done.returncode}:\n{done.stdout}")
    return json.loads(lines[-1].removeprefix(_FIGURES))


def as_rank(options: dict[str, str]) -> None:
    """Run the steps as one of the ranks; rank 0 prints the figures, in seconds per step."""
    from pipeline.runtime.start_jittor import start

    start("cpu", 1)
    import jittor as jt
    import numpy as np

    from pipeline import kernels
    from pipeline.pretrain.step import initial_state, train_step
    from pipeline.ranks import exchange as module
    from pipeline.ranks.exchange import ranks_of_this_process

    spent = dict.fromkeys(("exchange", "waiting", "exchange_processor"), 0.0)

    class Timed(module.Ranks):
        def all_reduce_mean(self, values):
            jt.sync(list(values))
            begun = time.perf_counter()
            self.barrier()
            together, worked = time.perf_counter(), time.process_time()
            found = super().all_reduce_mean(values)
            spent["waiting"] += together - begun
            spent["exchange"] += time.perf_counter() - together
            spent["exchange_processor"] += time.process_time() - worked
            return found

    ranks = Timed(**vars(ranks_of_this_process()))
    config = step_config(options["size"], {"schedule": {"batch_size": int(options["batch"])}})
    kernels.use("fused")
    kernels.use_precision(config.schedule.precision)
    batches, rates = (
        [each.microbatch(ranks.index, ranks.count) for each in step_batches(config)],
        step_rates(config),
    )
    state, steps = initial_state(config), int(options["steps"])
    num_values = sum(parameter.numel() for parameter in state.student.parameters())
    for number in range(_WARM_STEPS + steps):
        if number == _WARM_STEPS:
            jt.sync_all(True)
            ranks.barrier()
            spent.update(dict.fromkeys(spent, 0.0))
            started, worked = time.perf_counter(), time.process_time()
        state, _ = train_step(state, batches[number % len(batches)], rates, config, ranks)
        jt.sync_all(True)
    ranks.barrier()
    seconds, processor = (time.perf_counter() - started) / steps, (time.process_time() - worked) / steps
    flat = np.ones(num_values, np.float32)
    ranks.barrier()
    begun = time.perf_counter()
    for _ in range(3):
        module._summed(flat)
    gib_per_second = 3 * flat.nbytes / 2**30 / (time.perf_counter() - begun)
    figures = {part: total / steps for part, total in spent.items()}
    figures |= {"seconds": seconds, "processor": processor, "sum_gib_per_second": gib_per_second}
    figures["mib"] = flat.nbytes / 2**20
    if ranks.is_first:
        print(_FIGURES + json.dumps(figures), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["as-rank"]:
        as_rank(json.loads(sys.argv[2]))
    else:
        given = dict(argument.split("=", 1) for argument in sys.argv[1:])
        if unknown := given.keys() - DEFAULTS.keys():
            raise SystemExit(f"unknown options {sorted(unknown)}; there are {', '.join(DEFAULTS)}")
        main(DEFAULTS | given)
