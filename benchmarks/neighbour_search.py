"""Exact k-NN by brute force: ours, scikit-learn's and faiss's, on the processor and on a GPU."""

import time
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from benchmarks.counting import SEARCH_SIZES
from benchmarks.resident import resident_mib


class _Search(ABC):
    """A search among random unit vectors; checks the similarities and rows that were found."""

    def __init__(self, parameters: dict, folder: Path):
        self.extra = {"start_mib": resident_mib()}
        sizes = SEARCH_SIZES | parameters
        rng = np.random.default_rng(0)
        self.k, self.threads = sizes["k"], parameters["threads"]
        self.bank = unit_rows(rng.standard_normal((sizes["bank"], sizes["channels"]), np.float32))
        self.queries = unit_rows(rng.standard_normal((sizes["queries"], sizes["channels"]), np.float32))
        self.prepare()
        before = resident_mib()
        similarities, rows = self.search()
        self.check = {
            "mean similarity": float(similarities.mean(dtype=np.float64)),
            "mean row": float(rows.mean(dtype=np.float64)),
        }
        del similarities, rows
        self.extra["beside_bank_mib"] = resident_mib("VmHWM") - before

    def prepare(self) -> None:  # noqa: B027 - not every program has something to prepare
        """Set up what is not part of the timed search."""

    @abstractmethod
    def search(self) -> tuple[np.ndarray, np.ndarray]:
        """Cosine similarities (Q, k) and bank rows (Q, k)."""

    def repeat(self) -> float:
        """Seconds of one search."""
        started = time.perf_counter()
        self.search()
        return time.perf_counter() - started


class OurSearch(_Search):
    """`pipeline.evaluate.neighbours`."""

    def search(self) -> tuple[np.ndarray, np.ndarray]:
        from pipeline.evaluate.neighbours import nearest

        return nearest(self.queries, self.bank, self.k, num_threads=self.threads)


class SklearnSearch(_Search):
    """scikit-learn's NearestNeighbors by brute force; on unit vectors, Euclidean order is cosine order."""

    def prepare(self) -> None:
        from sklearn.neighbors import NearestNeighbors

        self.index = NearestNeighbors(n_neighbors=self.k, algorithm="brute", n_jobs=self.threads)
        self.index.fit(self.bank)

    def search(self) -> tuple[np.ndarray, np.ndarray]:
        distances, rows = self.index.kneighbors(self.queries)
        return 1 - distances.astype(np.float32) ** 2 / 2, rows


class FaissSearch(_Search):
    """faiss's flat index of inner products."""

    def prepare(self) -> None:
        import faiss

        faiss.omp_set_num_threads(self.threads)
        self.index = faiss.IndexFlatIP(self.bank.shape[1])
        self.index.add(self.bank)

    def search(self) -> tuple[np.ndarray, np.ndarray]:
        return self.index.search(self.queries, self.k)


class CardSearch(_Search):
    """`pipeline.evaluate.neighbours` on a GPU, with queries and bank in the host's memory before."""

    def prepare(self) -> None:
        from pipeline.config.stages import RuntimeConfig
        from pipeline.evaluate.neighbour_tiles.on_card import is_ready, prepare

        said: list[str] = []
        prepare(RuntimeConfig(device="cuda"), said.append)
        if not is_ready():
            raise RuntimeError("; ".join(said))

    def search(self) -> tuple[np.ndarray, np.ndarray]:
        from pipeline.evaluate.neighbours import nearest

        return nearest(self.queries, self.bank, self.k, num_threads=self.threads, on_card=True)


class FaissCardSearch(_Search):
    """faiss's flat index of inner products on a GPU, which holds the bank before a search begins."""

    def prepare(self) -> None:
        import faiss

        if not hasattr(faiss, "StandardGpuResources"):
            raise RuntimeError("this faiss is without GPUs: faiss-gpu is another package")
        self.resources = faiss.StandardGpuResources()
        self.index = faiss.GpuIndexFlatIP(self.resources, self.bank.shape[1])
        self.index.add(self.bank)

    def search(self) -> tuple[np.ndarray, np.ndarray]:
        return self.index.search(self.queries, self.k)


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """The rows, scaled in place to length one."""
    rows /= np.sqrt(np.einsum("nd,nd->n", rows, rows))[:, None]
    return rows
