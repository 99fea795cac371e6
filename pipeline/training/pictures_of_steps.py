"""Where a training puts the pictures that it draws while it runs, and how loggers find them."""

from pathlib import Path

FOLDER = "monitor"


def folder_of_step(output: Path, step: int) -> Path:
    """Folder of the pictures that were drawn after a step.

    Args:
        output: artifact of the training.
    """
    return output / FOLDER / f"step{step:07d}"


def pictures_of_step(output: Path, step: int) -> dict[str, Path]:
    """Name -> whole PNG files; none where nothing was drawn after this step."""
    return {path.stem: path for path in sorted(folder_of_step(output, step).glob("*.png"))}
