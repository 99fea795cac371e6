"""`doit run replay step=N`: repeat a step that was not finite, from what was saved of it."""

import sys
from pathlib import Path

from pipeline.config.stages import PretrainConfig, RuntimeConfig
from pipeline.graph.experiment_graph import read_argument
from pipeline.graph.stage_runner import exit_code_of, read_job
from pipeline.inference.options import UsageError, read_options
from pipeline.storage.artifacts import JOB, recorded

RESULTS = Path(__file__).resolve().parent.parent / "results"
_OPTIONS = ("step", "arm", "seed", "experiment")
_USAGE = "usage: doit run replay step=N [arm=hssl] [seed=0] [experiment=quickstart]"
_STAGE = "pretrain"


def main(arguments: list[str]) -> int:
    """Print the first tensor that is not finite; return the exit code."""
    return exit_code_of(lambda: _run(arguments))


def _run(arguments: list[str]) -> None:
    options = read_options(arguments, known=_OPTIONS, needed=("step",), usage=_USAGE)
    if not options["step"].isdecimal():
        raise UsageError(f"step={options['step']}: expected a whole number; {_USAGE}")
    _, experiment = read_argument(options.get("experiment", "quickstart"), Path.cwd())
    job = read_job(chosen_artifact(recorded(RESULTS, experiment.name), options) / JOB)
    runtime = RuntimeConfig.model_validate(job.runtime)
    from pipeline.runtime.start_jittor import start

    start(runtime.device, runtime.threads, say=lambda text: print(text, flush=True))
    from pipeline import kernels
    from pipeline.optim.schedules import Rates
    from pipeline.pretrain.non_finite.saved_step import read_about, read_batch, saved_step
    from pipeline.pretrain.non_finite.step_check import check_step
    from pipeline.pretrain.step import initial_state
    from pipeline.training.checkpoint import load_checkpoint

    config = PretrainConfig.model_validate(job.config)
    kernels.use(runtime.kernels)
    kernels.use_precision(config.schedule.precision)
    place = saved_step(Path(job.output), int(options["step"]))
    about = read_about(place)
    state = load_checkpoint(place.state, initial_state(config))
    look = check_step(state, read_batch(place), Rates(**about["rates"]), config)
    print(f"step {place.step} of {job.name}, from {place.folder}")
    print(f"images: {', '.join(about['images'])}")
    print(f"losses: {', '.join(f'{name} {value:.6g}' for name, value in look.losses.items())}")
    print(f"finite before it, or in all: {look.num_finite} tensors")
    print(f"the first tensor that is not finite: {look.broken or 'none'}")


def chosen_artifact(links: dict[str, Path], options: dict[str, str]) -> Path:
    """The artifact of the pretraining that the options name, in which the step is saved.

    Args:
        links: of the experiment's record, `<stage>-<run>` -> artifact.

    Raises:
        UsageError: none, or several; names what is saved.
    """
    from pipeline.pretrain.non_finite.saved_step import saved_steps

    saved = {}
    for link, artifact in links.items():
        if link.startswith(f"{_STAGE}-") and (artifact / JOB).is_file():
            run = read_job(artifact / JOB).run
            if all(str(run.get(key)) == options[key] for key in ("arm", "seed") if key in options):
                saved[link] = (artifact, saved_steps(artifact))
    found = [artifact for artifact, steps in saved.values() if int(options["step"]) in steps]
    if len(found) == 1:
        return found[0]
    lists = [f"{link}: {', '.join(map(str, steps))}" for link, (_, steps) in saved.items() if steps]
    known = f"saved are {'; '.join(lists)}" if lists else "no step was saved, for none was not finite"
    raise UsageError(f"step={options['step']}: {'several runs have' if found else 'no run has'} it; {known}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
