"""Weights of another project: where they are, and settings that their file may lack."""

import hashlib
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from pipeline.config.section import Location, Positive, PositiveInt, Section

_READ_IN_FOLDERS = (".json", ".safetensors", ".bin")
ArmName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]
_Share = Annotated[float, Field(ge=0, le=1)]


class ForeignConfig(Section):
    """A file of PyTorch or safetensors, or a folder as on the Hugging Face Hub; see docs/weights.md."""

    source: Annotated[str, Location]  # relative to the experiment's file
    sha256: str | None = None  # of what is read there; filled in when the experiment is read
    # Which of several networks in the file: "teacher", "student", "momentum_encoder", ...; not given: the
    # teacher, or the only one.
    key: str | None = None
    # Side in pixels of the images that the network takes; not given: as the file's shapes or config.json say.
    # A position embedding of another size is resized.
    image_size: PositiveInt | None = None
    # Of pixels in [0, 1], one number per channel; not given: from config.json, or ImageNet's if the writer of
    # such files uses these.
    mean: tuple[_Share, _Share, _Share] | None = None
    std: tuple[Positive, Positive, Positive] | None = None
    # Attention heads, which shapes do not tell; not given: from config.json, or one for each 64 channels.
    num_heads: PositiveInt | None = None

    @model_validator(mode="after")
    def _mean_with_std(self) -> "ForeignConfig":
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std go together; one of them is missing")
        return self


def digest_of_source(path: Path) -> str:
    """SHA-256 of a file, or of the names and digests of the files that may be read in a folder.

    Raises:
        OSError: it cannot be read.
    """
    if not path.is_dir():
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    files = [file for file in sorted(path.iterdir()) if file.suffix in _READ_IN_FOLDERS and file.is_file()]
    lines = [f"{file.name} {digest_of_source(file)}" for file in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
