import numpy as np

from benchmarks.resident import resident_mib
from pipeline.runtime.free_memory import give_back_free_memory

PIECE = 2**16  # bytes, fewer than those for which the C library takes pages of their own


def test_what_lies_between_arrays_in_use_is_given_back():
    """Of 256 MiB every second piece is freed, so that no end of the C library's memory is free."""
    pieces = [np.ones(PIECE, np.uint8) for _ in range(2**28 // PIECE)]
    held = resident_mib()
    kept = pieces[::2]
    del pieces
    give_back_free_memory()
    assert resident_mib() < held - 100
    assert all(piece.all() for piece in kept)
