"""Finds foreign weights: one file, or a folder with a config.json beside the weights."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.storage.foreign_json import parse_json
from pipeline.weights.error import WeightsError
from pipeline.weights.safetensors_file import read_safetensors
from pipeline.weights.torch_file import read_torch_file

# In order of preference. An index names the file of each tensor of weights split over several files.
WEIGHT_FILES = (
    *("model.safetensors", "model.safetensors.index.json"),
    *("pytorch_model.bin", "pytorch_model.bin.index.json"),
)
CONFIG_FILES = ("config.json", "preprocessor_config.json")


@dataclass(frozen=True)
class Source:
    """The weights that were found, with the folder's configuration files."""

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
        if path.suffix == ".json":
            raise WeightsError(f"{path}: no weights; name the folder that they and it are in")
        return Source(path, _value(path))
    file = next((path / name for name in WEIGHT_FILES if (path / name).is_file()), None)
    if file is None:
        raise WeightsError(f"{path}: a folder without {' or '.join(WEIGHT_FILES)}{_advice(path)}")
    config, preprocessing = (_json(path / name) for name in CONFIG_FILES)
    value = _value(file) if file.suffix != ".json" else _joined(file)
    return Source(path, value, config, preprocessing)


def _value(file: Path) -> Any:
    if file.suffix == ".safetensors":
        return read_safetensors(file)[0]
    return read_torch_file(file, leave_out=True)


def _joined(index: Path) -> dict[str, Any]:
    """The tensors of all files that an index names.

    Raises:
        WeightsError: a file is missing, is not in the folder, or does not hold exactly the listed tensors.
    """
    listed = _json(index).get("weight_map")
    if not isinstance(listed, dict) or not all(isinstance(file, str) for file in listed.values()):
        raise WeightsError(f"{index}: expected weight_map, an object from tensors' names to files")
    found: dict[str, Any] = {}
    for name in sorted(set(listed.values())):
        if Path(name).name != name or not (index.parent / name).is_file():
            raise WeightsError(f"{index}: the file {name!r} is not in {index.parent}")
        part, expected = _value(index.parent / name), {key for key in listed if listed[key] == name}
        if not isinstance(part, dict) or part.keys() != expected:
            both = f"{len(part) if isinstance(part, dict) else 'no named'} tensors, {len(expected)} expected"
            raise WeightsError(f"{index.parent / name}: not what {index.name} lists: {both}")
        found |= part
    return found


def _advice(folder: Path) -> str:
    """The instruction to convert the checkpoint folder of a sharded training; empty for other folders."""
    if any(folder.glob("**/*.distcp")):
        tool = "python -m torch.distributed.checkpoint.format_utils dcp_to_torch"
        return f"; it holds PyTorch's sharded checkpoint, which `{tool} {folder} weights.pth` joins"
    if (folder / "zero_to_fp32.py").is_file():
        return "; it holds DeepSpeed's shards, which its zero_to_fp32.py joins to one file"
    return ""


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
