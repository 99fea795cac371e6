"""`doit run predict task=segment arm=hssl data=FOLDER`: predict label maps, objects or classes of images."""

import shutil
import sys
from pathlib import Path

from tqdm import tqdm

from pipeline.graph.experiment_graph import read_argument
from pipeline.graph.finished import Finished
from pipeline.graph.stage_runner import exit_code_of
from pipeline.inference.images import Decoding, open_images
from pipeline.inference.options import UsageError, choice, existing, read_options
from pipeline.inference.progress import counted_in
from pipeline.inference.tasks import TASKS
from pipeline.storage.files import new_folder, read_json, write_csv

RESULTS = Path(__file__).resolve().parent.parent / "results"
_OPTIONS = ("task", "arm", "data", "experiment", "seed", "run", "out", "overlays", "score")
_USAGE = (
    "usage: doit run predict task=segment|detect|classify arm=hssl data=FOLDER [experiment=quickstart] "
    "[seed=0] [run=uper-finetuned] [out=FOLDER] [overlays=20|all] [score=0.3]"
)


def main(arguments: list[str]) -> int:
    """Write the predictions; return the exit code."""
    return exit_code_of(lambda: _run(arguments))


def _run(arguments: list[str]) -> None:
    options = read_options(arguments, known=_OPTIONS, needed=("task", "arm", "data"), usage=_USAGE)
    task, data = choice(options, "task", tuple(TASKS)), existing(options, "data")
    num_overlays, lowest_score = _num_overlays(options), _score(options)
    default = f"{Path(data).resolve().name}-{task}-{options['arm']}"
    target = Path(options.get("out") or default).expanduser().resolve()
    if target.exists():
        raise UsageError(f"{target} is there already; name another folder by out=")
    if target.is_relative_to(Path(data).resolve()):
        raise UsageError(f"out={target} lies in data={data}: its pictures would be taken for images")
    named = options.get("experiment", "quickstart")
    _, experiment = read_argument(named, Path.cwd())
    finished = Finished(named, experiment, RESULTS)
    seed = finished.seed(options.get("seed"))
    made = TASKS[task]
    found = finished.fine_tuned(made.stage, made.section, options["arm"], seed, options.get("run"))
    file = made.file
    decoding = Decoding.of_prepared(found.prepared)
    if decoding.channels is not None:
        num_channels = decoding.channels.options.num_channels
        raise UsageError(
            f"the model takes images of {num_channels} channels, and predict reads and draws RGB of 8 bits; "
            "doit run embed gives vectors of such images"
        )
    source = open_images(data, decoding.max_pixels)
    print(f"{len(source)} images, model of {found.label}: {found.folder / file}")
    runtime = experiment.runtime
    from pipeline.runtime.start_jittor import start

    start(runtime.device, runtime.threads, say=lambda text: print(text, flush=True))
    from pipeline import kernels
    from pipeline.inference.models import open_model
    from pipeline.inference.predicting import Predictions

    kernels.use(runtime.kernels)
    model = open_model(found.folder / file, task)
    with (
        new_folder(target) as folder,
        tqdm(desc=task, unit="image", total=len(source), dynamic_ncols=True) as bar,
    ):
        predictions = Predictions(
            model,
            source,
            decoding,
            folder,
            read_json(found.prepared / "summary.json")["category_ids"],
            runtime.num_threads,
            num_overlays,
            lowest_score,
            counted_in(bar),
        )
        write = {
            "segment": predictions.segment,
            "detect": predictions.detect,
            "classify": predictions.classify,
        }
        bad = write[task]()
        write_csv(folder / "quarantine.csv", [("path", "reason"), *bad])
        folder.chmod(0o755)
        num_bad = len(bad)
        if num_bad == len(source):
            shutil.copy(folder / "quarantine.csv", kept := target.with_name(f"{target.name}.quarantine.csv"))
            raise ValueError(f"data={data}: none of {num_bad} images can be decoded; see {kept}")
    print(f"wrote {target}: {', '.join(sorted(path.name for path in target.iterdir()))}")
    if num_bad:
        print(f"{num_bad} images cannot be decoded; why: {target / 'quarantine.csv'}")


def _num_overlays(options: dict[str, str]) -> int | None:
    """Number of images to draw; None: all."""
    text = options.get("overlays", "20")
    if text != "all" and not text.isdecimal():
        raise UsageError(f"overlays={text}: expected a number of images, or all")
    return None if text == "all" else int(text)


def _score(options: dict[str, str]) -> float:
    text = options.get("score", "0.3")
    try:
        score = float(text)
    except ValueError:
        score = -1.0
    if not 0 <= score <= 1:
        raise UsageError(f"score={text}: expected a number from 0 to 1")
    return score


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
