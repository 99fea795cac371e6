"""Pretrain with the flags of the published HSSL command, through the same graph and stages as `doit run`."""

import subprocess
import sys
from pathlib import Path

from pipeline.published.flags import published_parser
from pipeline.published.translation import FlagError, toml_text, translated
from pipeline.storage.artifacts import place_link
from pipeline.storage.files import replacing
from pipeline.storage.runs import RunKey

ROOT = Path(__file__).resolve().parent.parent
EXPERIMENT = "experiment.toml"


def main(arguments: list[str] | None = None, *, root: Path = ROOT) -> int:
    """Write the experiment's file, run its pretraining, and link the results beside it; return the exit code.

    Args:
        arguments: the command line's arguments; None: those of this process.
        root: the project's folder.
    """
    parser = published_parser()
    given = parser.parse_args(arguments)
    try:
        translation = translated(given, working_directory=Path.cwd())
    except FlagError as error:
        parser.error(str(error))
    output = Path(getattr(given, "output_dir", ".")).expanduser().resolve()
    file = output / EXPERIMENT
    with replacing(file) as partial:
        partial.write_text(toml_text(translation), encoding="utf-8")
    for note in translation.notes:
        print(note, flush=True)
    print(f"experiment: {file}", flush=True)
    doit = [sys.executable, "-m", "doit", "-f", str(root / "dodo.py")]
    run, stages = RunKey(arm="hssl", seed=translation.seed), ("pretrain", "curves")
    tasks = [f"{stage}:{run.name}" for stage in stages]
    code = subprocess.call([*doit, "run", "_checks", *tasks, f"experiment={file}"], cwd=root)
    if code == 0:
        links = root / "results" / translation.name / "artifacts"
        for line in linked([(links / f"{stage}-{run.name}").resolve() for stage in stages], output):
            print(line)
    return code


def linked(artifacts: list[Path], output: Path) -> list[str]:
    """Link every file of a run into `output`, remove links to older exports, and return a listing.

    Args:
        artifacts: the run's artifacts; if two have a file of the same name, the first one's is linked.
        output: the folder for the links.

    Raises:
        FileExistsError: `output` holds a regular file with the name of a result.
    """
    own = ("job.json", "stamp.json")
    found = [path for folder in reversed(artifacts) for path in folder.iterdir() if path.is_file()]
    results = {path.name: path for path in found if path.name not in own}
    for name, path in results.items():
        if (link := output / name).exists() and not link.is_symlink():
            raise FileExistsError(f"{link} is in the way of a link to {path}")
    for stale in output.glob("backbone-epoch*.safetensors"):
        if stale.is_symlink() and stale.name not in results:
            stale.unlink()
    for name, path in results.items():
        place_link(output / name, path)
    heading = f"results: {output} holds links to the files in {' and '.join(map(str, artifacts))}:"
    return [heading, *(f"  {name}" for name in sorted(results))]


if __name__ == "__main__":
    sys.exit(main())
