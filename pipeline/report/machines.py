"""The machines that a table's numbers were computed on, from the stamps of its runs."""

from collections.abc import Iterable
from pathlib import Path

from pipeline.storage.artifacts import read_stamp


def machine_of(directory: Path) -> str | None:
    """Machine of an artifact, such as "AMD EPYC 9B45, 2 threads"; None if its stamp does not state it."""
    about = (read_stamp(directory) or {}).get("environment", {})
    threads, ranks = about.get("threads"), about.get("ranks", 1)
    device = about.get("card") if about.get("device") == "cuda" else about.get("processor")
    if not device or not threads:
        return None
    parts = [device, f"{threads} {'thread' if threads == 1 else 'threads'}"]
    return ", ".join([*parts, *([f"{ranks} ranks"] if ranks > 1 else [])])


def machines_sentence(machines: Iterable[str | None]) -> str:
    """A sentence on the machines; the order of sums, and so the last bits, depends on everything it names."""
    found = sorted({each for each in machines if each})
    if not found:
        return ""
    return (
        f"Computed on {'; '.join(found)}. The same processor with as many threads gives the same numbers to "
        "the bit; another one, a card, or another number of ranks adds in another order, and may give others."
    )
