"""Finds foreign weights: one file, or a folder with a config.json beside the weights."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.storage.foreign_json import parse_json
from pipeline.weights.error import WeightsError
from pipeline.weights.safetensors_file import read_safetensors
from pipeline.weights.torch_file import read_torch_file

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")  # of a folder, the first that is there
CONFIG_FILES = ("config.json", "preprocessor_config.json")


@dataclass(frozen=True)
class Source:
    """The weights that were found, with the settings beside them."""

    path: Path
    value: Any  # plain values and `StoredTensor`
    config: dict[str, Any] = field(default_factory=dict)  # of config.json
    preprocessing: dict[str, Any] = field(default_factory=dict)  # of preprocessor_config.json


def read_source(path: Path) -> Source:
    """Read a file or a folder.

    Raises:
        WeightsError: it does not exist or cannot be read.
    """
    if not path.is_dir():
        return Source(path, _value(path))
    file = next((path / name for name in WEIGHT_FILES if (path / name).is_file()), None)
    if file is None:
        raise WeightsError(f"{path}: a folder without {' or '.join(WEIGHT_FILES)}")
    config, preprocessing = (_json(path / name) for name in CONFIG_FILES)
    return Source(path, _value(file), config, preprocessing)


def _value(file: Path) -> Any:
    return read_safetensors(file)[0] if file.suffix == ".safetensors" else read_torch_file(file)


def _json(file: Path) -> dict[str, Any]:
    """The JSON object in a file, or an empty one if the file does not exist."""
    if not file.is_file():
        return {}
    try:
        value = parse_json(file.read_bytes())
    except (OSError, ValueError) as error:
        raise WeightsError(f"{file}: no JSON ({' '.join(str(error).split())})") from error
    if not isinstance(value, dict):
        raise WeightsError(f"{file}: expected a JSON object, found {type(value).__name__}")
    return value
