"""The folders of the pictures that a training draws while it runs."""

from pathlib import Path

FOLDER = "monitor"


def folder_of_step(output: Path, step: int) -> Path:
    """Folder of the pictures drawn after a step.

    Args:
        output: the training's artifact.
    """
    return output / FOLDER / f"step{step:07d}"


def pictures_of_step(output: Path, step: int) -> dict[str, Path]:
    """Name -> PNG file, of the pictures drawn after a step; empty if there are none."""
    return {path.stem: path for path in sorted(folder_of_step(output, step).glob("*.png"))}
