"""Limits how much a compressed file may expand: a small one can stand for more bytes than any machine has."""

from pathlib import Path

RATIO = 250  # unpacked bytes per packed byte; photographs have 1 to 2, drawings and label maps up to 100
FREE_BYTES = 2**30  # any file may expand to this much


def refuse_expansion(path: Path, num_bytes: int, packed_bytes: int) -> None:
    """Refuse a file that expands too much; call this before anything is allocated.

    Args:
        num_bytes: as stated in the file, or unpacked so far.

    Raises:
        ValueError: more than FREE_BYTES, and more than RATIO times the packed bytes.
    """
    if num_bytes > max(FREE_BYTES, RATIO * packed_bytes):
        raise ValueError(
            f"{path}: expected at most {RATIO} times its {packed_bytes} bytes, "
            f"it expands to {num_bytes} or more"
        )
