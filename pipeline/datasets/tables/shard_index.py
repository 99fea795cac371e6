"""The index that `doit run shard` writes beside shards: which belong together, and how large they are."""

from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.storage.files import read_json, write_json

INDEX = "index.json"
_KIND = "hssl-shards"


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard in the index."""

    name: str
    num_images: int
    num_bytes: int
    sha256: str


def write_shard_index(folder: Path, shards: list[Shard], about: dict) -> None:
    """Write index.json: the shards, and `about` them."""
    write_json(folder / INDEX, {"kind": _KIND, **about, "shards": [asdict(shard) for shard in shards]})


def read_shard_index(folder: Path) -> dict[str, Shard] | None:
    """Shards by name; None if the folder has no such index.

    Raises:
        ValueError: it is damaged.
    """
    path = folder / INDEX
    if not path.is_file():
        return None
    values = read_json(path)
    if not isinstance(values, dict) or values.get("kind") != _KIND:
        return None  # another program's file
    try:
        return {each["name"]: Shard(**each) for each in values["shards"]}
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: not a list of shards ({error!r}); write the shards again") from error
