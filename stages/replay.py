"""`doit run replay step=N`: repeat a saved step that was not finite."""

import sys
import tempfile
from contextlib import redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

from pipeline.config.dense import DetectConfig, SegmentConfig
from pipeline.config.finetune import FinetuneConfig
from pipeline.config.stages import PretrainConfig, RuntimeConfig
from pipeline.config.studies import JointTrainingConfig
from pipeline.graph.experiment_graph import read_argument
from pipeline.graph.node import program
from pipeline.graph.stage_runner import Job, exit_code_of, read_job
from pipeline.inference.options import UsageError, read_options
from pipeline.storage.artifacts import JOB, recorded
from pipeline.storage.runs import OPTIONS

RESULTS = Path(__file__).resolve().parent.parent / "results"
STAGES = {
    "pretrain": PretrainConfig,
    "search-train": JointTrainingConfig,
    "finetune": FinetuneConfig,
    "segment": SegmentConfig,
    "detect": DetectConfig,
}
_OPTIONS = ("step", "stage", *OPTIONS, "experiment")
_USAGE = (
    f"usage: doit run replay step=N [stage={'|'.join(STAGES)}] [run=frozen] [arm=hssl] [seed=0] "
    "[experiment=quickstart]"
)


def main(arguments: list[str]) -> int:
    """Print the first tensor that is not finite; return the exit code."""
    return exit_code_of(lambda: _run(arguments))


def _run(arguments: list[str]) -> None:
    options = read_options(arguments, known=_OPTIONS, needed=("step",), usage=_USAGE)
    if not options["step"].isdecimal():
        raise UsageError(f"step={options['step']}: expected a whole number; {_USAGE}")
    if options.get("stage", "pretrain") not in STAGES:
        raise UsageError(f"stage={options['stage']}: expected one of {', '.join(STAGES)}")
    _, experiment = read_argument(options.get("experiment", "quickstart"), Path.cwd())
    job = read_job(chosen_artifact(recorded(RESULTS, experiment.name), options) / JOB)
    runtime = RuntimeConfig.model_validate(job.runtime)
    from pipeline.runtime.start_jittor import start

    start(runtime.device, runtime.threads, say=lambda text: print(text, flush=True))
    from pipeline import kernels
    from pipeline.pretrain.non_finite.saved_step import read_about, read_batch, saved_step
    from pipeline.training.checkpoint import load_checkpoint

    kernels.use(runtime.kernels)
    saved = saved_step(Path(job.output), int(options["step"]))
    about, steps = read_about(saved), steps_of(job, runtime)
    state = load_checkpoint(saved.state, steps.training.fresh_state())
    check = steps.check(state, steps.batch_of(state.step, read_batch(saved)))
    print(f"step {saved.step} of {job.stage} {job.name}, from {saved.folder}")
    print(f"images: {', '.join(about['images'])}")
    print(f"losses: {', '.join(f'{name} {value:.6g}' for name, value in check.losses.items())}")
    before = " before the first that is not" if check.broken else ", all of them"
    print(f"finite tensors{before}: {check.num_finite}")
    print(f"the first tensor that is not finite: {check.broken or 'none'}")


def steps_of(job: Job, runtime: RuntimeConfig) -> Any:
    """The steps of a job's training, rebuilt from its settings and inputs; Jittor must have been started.

    Raises:
        UsageError: the stage ends without a training.
    """
    from pipeline.finetune.non_finite import FinetuningSteps
    from pipeline.pretrain.non_finite.first_step import PretrainingSteps
    from pipeline.replay.training_of_stage import training_of
    from pipeline.search.non_finite import JointSteps

    config = STAGES[job.stage].model_validate(job.config)
    stage = import_module(f"stages.{program(job.stage)}")
    inputs = {name: Path(path) for name, path in job.inputs.items()}
    # Without loggers, which have the steps of that run already.
    alone = runtime.model_copy(update={"loggers": (), "devices": 1})
    # The stage's output was printed in that run.
    with tempfile.TemporaryDirectory() as output, redirect_stdout(StringIO()):
        training = training_of(lambda: stage.run(config, Path(output), runtime=alone, **inputs))
    if training is None:
        raise UsageError(f"{job.stage} {job.name} trains nothing")
    if isinstance(config, PretrainConfig):
        return PretrainingSteps(training, config)
    if isinstance(config, JointTrainingConfig):
        return JointSteps(training, config)
    return FinetuningSteps(training)


def chosen_artifact(links: dict[str, Path], options: dict[str, str]) -> Path:
    """The artifact of the training that the options select, in which the step is saved.

    Args:
        links: of the experiment's record, `<stage>-<run>` -> artifact.

    Raises:
        UsageError: there is none, or several; lists the saved steps.
    """
    from pipeline.pretrain.non_finite.saved_step import saved_steps

    saved = {}
    for link, artifact in links.items():
        steps = saved_steps(artifact)
        if steps and (artifact / JOB).is_file():
            job = read_job(artifact / JOB)
            known = {"stage": job.stage, **job.run}
            if all(str(known.get(key)) == options[key] for key in ("stage", *OPTIONS) if key in options):
                saved[link] = (artifact, steps)
    found = [artifact for artifact, steps in saved.values() if int(options["step"]) in steps]
    if len(found) == 1:
        return found[0]
    lists = [f"{link}: {', '.join(map(str, steps))}" for link, (_, steps) in saved.items()]
    known = f"saved are {'; '.join(lists)}" if lists else "no step was saved, for none was not finite"
    raise UsageError(f"step={options['step']}: {'several runs have' if found else 'no run has'} it; {known}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
