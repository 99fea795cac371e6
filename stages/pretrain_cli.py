"""Pretrain with the flags of the published HSSL command; the same graph and stages as `doit run`."""

import subprocess
import sys
from pathlib import Path

from pipeline.artifacts import place_link
from pipeline.files import replacing
from pipeline.published.flags import published_parser
from pipeline.published.translation import FlagError, Translation, toml_text, translated

ROOT = Path(__file__).resolve().parent.parent
EXPERIMENT = "experiment.toml"


def main(arguments: list[str] | None = None, *, root: Path = ROOT) -> int:
    """Write the experiment's file, run its pretraining, and link what came out beside it; the exit code.

    Args:
        arguments: of the command line; None: of this process.
        root: of the project.
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
    tasks = ["run", "_checks", _task(translation), f"experiment={file}"]
    code = subprocess.call([*doit, *tasks], cwd=root)
    if code == 0:
        artifact = root / "results" / translation.name / "artifacts" / _task(translation).replace(":", "-")
        for line in linked(artifact.resolve(), output):
            print(line)
    return code


def _task(translation: Translation) -> str:
    return f"pretrain:hssl-seed{translation.seed}"


def linked(artifact: Path, output: Path) -> list[str]:
    """Link every file of the run into `output`; what was linked, in words. Links to older exports go.

    Raises:
        FileExistsError: a file that is no link has the name of a result.
    """
    own = ("request.json", "stamp.json")
    results = [path for path in sorted(artifact.iterdir()) if path.is_file() and path.name not in own]
    for path in results:
        if (link := output / path.name).exists() and not link.is_symlink():
            raise FileExistsError(f"{link} is in the way of a link to {path}")
    for stale in set(output.glob("backbone-epoch*.safetensors")) - {output / path.name for path in results}:
        if stale.is_symlink():
            stale.unlink()
    for path in results:
        place_link(output / path.name, path)
    return [f"results: {output} holds links to the files in {artifact}:", *(f"  {p.name}" for p in results)]


if __name__ == "__main__":
    sys.exit(main())
