"""How much a compressed file may expand to: a small one can stand for more bytes than any machine has."""

from pathlib import Path

RATIO = 250  # unpacked bytes for one packed; photographs have 1 to 2, drawings and label maps up to some 100
FREE_BYTES = 2**30  # what a file may always expand to


def refuse_expansion(path: Path, num_bytes: int, packed_bytes: int) -> None:
    """See that a compressed file does not expand beyond all measure; asked before anything is allocated.

    Args:
        num_bytes: as the file states it, or as many as have been unpacked so far.

    Raises:
        ValueError: more than FREE_BYTES, and more than RATIO times as many as are packed.
    """
    if num_bytes > max(FREE_BYTES, RATIO * packed_bytes):
        raise ValueError(
            f"{path}: expected at most {RATIO} times its {packed_bytes} bytes, "
            f"it expands to {num_bytes} or more"
        )
