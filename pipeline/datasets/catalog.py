"""From a data section to the reader for its source."""

from collections.abc import Callable
from pathlib import Path

from pipeline.config.data import DataConfig
from pipeline.datasets.archive import Archive, archive_kind
from pipeline.datasets.cifar import cifar_files, read_cifar
from pipeline.datasets.drawn import DrawnSource
from pipeline.datasets.idx import image_files, read_idx_folder
from pipeline.datasets.image_folder import ImageFolder
from pipeline.datasets.npz import is_npz, read_npz
from pipeline.datasets.source import Source, max_file_bytes

PHOTO_SCENES = "photo-scenes"

# Format -> reader. A new format is one reader, one line here, and one word in `DataConfig.format`.
READERS: dict[str, Callable[[DataConfig, Path], Source]] = {
    PHOTO_SCENES: lambda config, path: DrawnSource(config.photo_scenes),
    "image-folder": lambda config, path: ImageFolder(path, max_bytes=max_file_bytes(config.max_pixels)),
    "archive": lambda config, path: Archive(path, max_bytes=max_file_bytes(config.max_pixels)),
    "idx": lambda config, path: read_idx_folder(path),
    "npz": lambda config, path: read_npz(path),
    "cifar": lambda config, path: read_cifar(path),
}
_FOLDER_FORMATS = ("image-folder", "idx", "cifar")
_FILE_FORMATS = ("archive", "npz", "cifar")


def open_source(config: DataConfig) -> tuple[str, Source]:
    """(format, source) of a data section; `format = "auto"` looks at what is there.

    Raises:
        FileNotFoundError: `data.source` does not exist.
        ValueError: it is in none of the formats, not in the one that is asked for, or damaged.
    """
    name = detect(config)
    path = Path(config.source)
    if name in READERS and name != PHOTO_SCENES:
        allowed = _FOLDER_FORMATS if path.is_dir() else _FILE_FORMATS
        if name not in allowed:
            kind = "folder" if path.is_dir() else "file"
            raise ValueError(
                f"{path} is a {kind}: expected data.format in {', '.join(allowed)}, found {name}"
            )
    return name, READERS[name](config, path)


def detect(config: DataConfig) -> str:
    """The name of the format that `data.source` is in.

    Raises:
        FileNotFoundError: `data.source` does not exist.
        ValueError: a file in none of the formats.
    """
    if config.source == PHOTO_SCENES:
        return PHOTO_SCENES
    if config.format == PHOTO_SCENES:
        raise ValueError(
            f"data.format is photo-scenes: expected the same of data.source, found {config.source}"
        )
    path = Path(config.source)
    if not path.exists():
        raise FileNotFoundError(f"data.source: {path} does not exist")
    if config.format != "auto":
        return config.format
    if path.is_dir():
        if cifar_files(path):
            return "cifar"
        return "idx" if image_files(path) else "image-folder"
    kind = archive_kind(path)
    if kind is None:
        raise ValueError(
            f"data.source: {path} is in no known format; expected a folder of images, a .zip or .tar of one, "
            "a folder of IDX files, an .npz file, or CIFAR in its python version"
        )
    if kind == "zip":
        return "npz" if is_npz(path) else "archive"
    return "cifar" if cifar_files(path) else "archive"
