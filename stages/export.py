"""`doit run export arm=hssl [format=timm] [seed=0] [out=FOLDER] [experiment=NAME]`: for other projects."""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from pipeline.config.experiment import Experiment
from pipeline.config.reading import ConfigError, read_experiment
from pipeline.export.described_base import DescribedBase
from pipeline.export.error import ExportError
from pipeline.export.formats import FORMATS, has_normed_patches
from pipeline.graph.finished import Arm, Finished, NotMade
from pipeline.graph.subprocesses import end_on_signal
from pipeline.storage.files import new_folder
from pipeline.weights.error import WeightsError

RESULTS = Path(__file__).resolve().parent.parent / "results"
_NUM_IMAGES = 8  # that both sides are run on
_USAGE = f"usage: doit run export arm=hssl [format={'|'.join(FORMATS)}] [seed=0] [out=FOLDER] [experiment=X]"


def main(arguments: list[str]) -> int:
    """Write the folder; return the exit code."""
    options = dict(argument.partition("=")[::2] for argument in arguments)
    try:
        if not options.get("arm") or not {"arm", "format", "seed", "out", "experiment"} >= options.keys():
            raise ConfigError(_USAGE)
        form = options.get("format", "timm")
        if form not in FORMATS:
            raise ConfigError(f"format={form}: choose from {', '.join(FORMATS)}")
        named = options.get("experiment", "quickstart")
        experiment = read_experiment(named)
        if channels := experiment.backbone.channels:
            raise ExportError(
                f"export writes bases that take RGB, those of {experiment.name} take {channels}; "
                "backbone.safetensors of the artifact holds the weights"
            )
        finished = Finished(named, experiment, RESULTS)
        seed = finished.seed(options.get("seed"))
        trained = finished.arm(options["arm"], seed)
        name = f"{experiment.name}-{options['arm']}-seed{seed}"
        target = Path(options.get("out") or f"{name}-{form}").expanduser().absolute()
        if target.exists():
            raise ConfigError(f"{target} is there already; name another folder by out=")
        export(experiment, trained, options["arm"], seed, form, target)
    except (ConfigError, ExportError, NotMade, WeightsError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def export(experiment: Experiment, trained: Arm, arm: str, seed: int, form: str, target: Path) -> None:
    """Write a base in one format and hold it to what the format's own programs compute from it."""
    from pipeline.runtime.start_jittor import start

    start(experiment.runtime.device, experiment.runtime.threads, say=print)
    from pipeline.export.card_table import table_of_arm
    from pipeline.export.comparison import compared
    from pipeline.export.own_side import checked_pixels, computed_here
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
    needed = FORMATS[form].needs
    if needed and find_spec(needed) is None:
        raise ExportError(f"format={form} is written with {needed}, which is missing; pip install {needed}")
    with new_folder(target) as partial:
        shutil.copymode(target.parent, partial)  # not only for its owner
        for line in FORMATS[form].write(base, partial):
            print(line)
        pixels = checked_pixels(trained.prepared, base, _NUM_IMAGES)
        normed = has_normed_patches(form, base.config.kind)
        ours = computed_here(frozen, base, pixels, normed_patches=normed)
        for line in compared(form, partial, base, pixels, ours):
            print(line)
    print(f"wrote {target}: {', '.join(sorted(path.name for path in target.iterdir()))}")


if __name__ == "__main__":
    end_on_signal()
    sys.exit(main(sys.argv[1:]))
