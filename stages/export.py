"""`doit run export arm=hssl [task=segment] [format=timm] [out=FOLDER]`: export networks."""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from pipeline.config.experiment import Experiment
from pipeline.config.reading import ConfigError, read_experiment
from pipeline.export.described_base import DescribedBase
from pipeline.export.error import ExportError
from pipeline.export.formats import FORMATS, MODEL_FORMATS, has_normed_patches
from pipeline.graph.finished import Arm, FineTuned, Finished
from pipeline.graph.stage_runner import exit_code_of
from pipeline.graph.subprocesses import end_forked_at_once, end_on_signal
from pipeline.inference.tasks import TASKS
from pipeline.storage.files import new_folder

RESULTS = Path(__file__).resolve().parent.parent / "results"
_NUM_IMAGES = 8  # on which both programs are compared
_OPTIONS = {"arm", "format", "seed", "out", "experiment", "task", "run"}
_USAGE = (
    f"usage: doit run export arm=hssl [format={'|'.join(FORMATS)}] [seed=0] [out=FOLDER] [experiment=X], or "
    f"doit run export task={'|'.join(TASKS)} arm=hssl [format={'|'.join(MODEL_FORMATS)}] [run=uper-finetuned]"
)


def main(arguments: list[str]) -> int:
    """Write the folder; return the exit code."""
    return exit_code_of(lambda: _run(arguments))


def _run(arguments: list[str]) -> None:
    options = dict(argument.partition("=")[::2] for argument in arguments)
    task = options.get("task")
    if not options.get("arm") or not options.keys() <= _OPTIONS or ("run" in options and not task):
        raise ConfigError(_USAGE)
    if task is not None and task not in TASKS:
        raise ConfigError(f"task={task}: choose from {', '.join(TASKS)}")
    formats = MODEL_FORMATS if task else FORMATS
    form = options.get("format", "torch" if task else "timm")
    if form not in formats:
        raise ConfigError(f"format={form}: choose from {', '.join(formats)}")
    named = options.get("experiment", "quickstart")
    experiment = read_experiment(named)
    if channels := experiment.backbone.channels:
        raise ExportError(
            f"export writes networks that take RGB, those of {experiment.name} take {channels}; "
            "the .safetensors file of the artifact holds the weights"
        )
    finished = Finished(named, experiment, RESULTS)
    seed, arm = finished.seed(options.get("seed")), options["arm"]
    name = "-".join([experiment.name, *([task] if task else []), arm, f"seed{seed}"])
    target = Path(options.get("out") or f"{name}-{form}").expanduser().absolute()
    if target.exists():
        raise ConfigError(f"{target} is there already; name another folder by out=")
    needed = formats[form].needs
    if needed and find_spec(needed) is None:
        raise ExportError(f"format={form} is written with {needed}, which is missing; pip install {needed}")
    if task:
        made = TASKS[task]
        tuned = finished.fine_tuned(made.stage, made.section, arm, seed, options.get("run"))
        export_model(experiment, tuned, task, arm, form, target)
    else:
        export(experiment, finished.arm(arm, seed), arm, seed, form, target)
    print(f"wrote {target}: {', '.join(sorted(path.name for path in target.iterdir()))}")


def export(experiment: Experiment, trained: Arm, arm: str, seed: int, form: str, target: Path) -> None:
    """Write a base in one format, and compare its outputs with those of the format's own library."""
    from pipeline.runtime.start_jittor import start

    start(experiment.runtime.device, experiment.runtime.threads, say=print)
    from pipeline.export.card_table import table_of_arm
    from pipeline.export.comparison import compared
    from pipeline.export.own_outputs import checked_pixels, computed_here
    from pipeline.models.backbone_file import load_backbone
    from pipeline.models.weights import named_arrays

    frozen = load_backbone(trained.backbone)
    size, view = frozen.config.image_size, trained.config
    base = DescribedBase(
        name=f"{experiment.name}, {arm}, seed {seed}",
        config=frozen.config,
        arrays=named_arrays(frozen.network),
        mean=frozen.mean,
        std=frozen.std,
        resize=round(size * view.resize / view.crop_size),
        table=table_of_arm(RESULTS / experiment.name / "table.json", arm),
    )
    if view.crop_size != size:
        print(f"evaluated at {view.crop_size} px, written for the {size} px that the base is made for")
    with new_folder(target) as partial:
        shutil.copymode(target.parent, partial)  # a new folder is readable by its owner only
        for line in FORMATS[form].write(base, partial):
            print(line)
        pixels = checked_pixels(trained.prepared, base, _NUM_IMAGES)
        normed = has_normed_patches(form, base.config.kind)
        ours = computed_here(frozen, base, pixels, normed_patches=normed)
        for line in compared(form, partial, base, pixels, ours):
            print(line)


def export_model(
    experiment: Experiment, tuned: FineTuned, task: str, arm: str, form: str, target: Path
) -> None:
    """Write a fine-tuned network in one format, and compare its outputs with the format's library."""
    from pipeline.runtime.start_jittor import start

    start(experiment.runtime.device, experiment.runtime.threads, say=print)
    from pipeline import kernels
    from pipeline.detection.inference import detect
    from pipeline.export.card_table import table_of_arm
    from pipeline.export.detector_comparison import compared_detector
    from pipeline.export.model_comparison import compared_model
    from pipeline.export.opened_model import checked_images, checked_scenes, logits_here, opened_model

    kernels.use(experiment.runtime.kernels)
    model, described = opened_model(
        tuned.folder / TASKS[task].file,
        task,
        name=f"{experiment.name}, {tuned.label}",
        table=table_of_arm(RESULTS / experiment.name / "table.json", arm),
    )
    with new_folder(target) as partial:
        shutil.copymode(target.parent, partial)
        for line in MODEL_FORMATS[form].write(described, partial):
            print(line)
        if task == "detect" and form == "onnx":
            scenes, sizes = checked_scenes(tuned.prepared, described, _NUM_IMAGES)
            each = zip(scenes, sizes, strict=True)
            ours = [detect(model.network, image[None], size[None])[0] for image, size in each]
            print(compared_detector(partial, scenes, sizes, ours))
            return
        images = checked_images(tuned.prepared, described, _NUM_IMAGES)
        print(compared_model(form, partial, described, images, logits_here(model, task, images)))


if __name__ == "__main__":
    end_on_signal()
    end_forked_at_once()
    sys.exit(main(sys.argv[1:]))
