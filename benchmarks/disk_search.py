"""Exact k-NN in a bank of features on disk, and by faiss, which holds the same bank in memory."""

import time
from pathlib import Path

import numpy as np

from benchmarks.neighbour_search import unit_rows
from benchmarks.resident import resident_mib
from pipeline.evaluate.feature_rows import FeatureRows
from pipeline.evaluate.neighbours import nearest
from pipeline.storage.mapped_pages import release_pages

_ROWS_AT_ONCE = 8192


class DiskSearch:
    """A repeat returns the seconds of one search.

    Args:
        parameters: `bank` and `queries`, rows; `channels`; `k`; `dtype` of the file; `threads`.
    """

    def __init__(self, parameters: dict, folder: Path):
        rng = np.random.default_rng(0)
        shape = (parameters["bank"], parameters["channels"])
        self.path = folder / "bank.npy"
        bank = np.lib.format.open_memmap(self.path, "w+", parameters["dtype"], shape)
        for first in range(0, len(bank), _ROWS_AT_ONCE):
            rows = rng.standard_normal((min(_ROWS_AT_ONCE, len(bank) - first), shape[1]), np.float32)
            bank[first : first + len(rows)] = rows
            release_pages(bank)
        del bank
        self.queries = rng.standard_normal((parameters["queries"], shape[1]), np.float32)
        self.k, self.threads = parameters["k"], parameters["threads"]
        self.check: dict[str, float] = {}
        self.extra = {"start_mib": resident_mib()}

    def repeat(self) -> float:
        """Seconds of one search."""
        started = time.perf_counter()
        bank = FeatureRows((np.load(self.path, mmap_mode="r"),))
        nearest(self.queries, bank, self.k, num_threads=self.threads)
        return time.perf_counter() - started


class FaissDiskSearch(DiskSearch):
    """faiss's flat index of inner products, of the same bank and queries; `report` compares both."""

    def __init__(self, parameters: dict, folder: Path):
        import faiss

        super().__init__(parameters, folder)
        faiss.omp_set_num_threads(self.threads)
        self.index = faiss.IndexFlatIP(self.queries.shape[1])
        bank = FeatureRows((np.load(self.path, mmap_mode="r"),))
        for first in range(0, len(bank), _ROWS_AT_ONCE):
            self.index.add(unit_rows(np.array(bank[first : first + _ROWS_AT_ONCE])))

    def repeat(self) -> float:
        started = time.perf_counter()
        self.similarities, self.rows = self.index.search(unit_rows(self.queries.copy()), self.k)
        return time.perf_counter() - started

    def report(self) -> dict[str, float]:
        """Share of neighbours that both find, and the largest difference of similarities at one rank."""
        bank = FeatureRows((np.load(self.path, mmap_mode="r"),))
        similarities, rows = nearest(self.queries, bank, self.k, num_threads=self.threads)
        common = [len(np.intersect1d(*pair)) for pair in zip(rows, self.rows, strict=True)]
        difference = np.abs(similarities - self.similarities).max()
        return {"common_neighbours": sum(common) / rows.size, "largest_difference": float(difference)}
