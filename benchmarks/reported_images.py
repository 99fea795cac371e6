"""The search for duplicate images, and the report, for an experiment with many images.

Pixels, labels, predictions, features and logs are random: only the cost is meaningful.
"""

import json
from pathlib import Path

import numpy as np

from benchmarks.many_images import NUM_CLASSES, ManyImages, paths_in_shards, summary_of_shards
from pipeline.config.duplicates import DuplicatesConfig
from pipeline.config.tables import TablesConfig
from pipeline.datasets.array_files import write_arrays
from pipeline.datasets.manifest import COLUMNS
from pipeline.datasets.prepared import PreparedDataset
from pipeline.evaluate.overlays import samples
from pipeline.report.duplicates import DUPLICATES, find_duplicates
from pipeline.report.page.contents import contents
from pipeline.report.page.writing import page_text
from pipeline.storage.files import write_json
from pipeline.storage.runs import Run, RunKey
from pipeline.training.metrics_log import METRICS
from pipeline.views.files import BASE, HEAD, Views, write_views
from pipeline.views.maps import maps_of

SIDE = 4  # pixels of a stored image; reading and decoding larger ones is not measured here
TEST_EVERY = 27  # every 27th image is a test image, so that all classes have some
EPOCHS, BATCH_SIZE, LOGGED_EVERY = (
    100,
    256,
    20,
)  # of the pretraining; steps from one line of its log to the next
CHANNELS = 384
_ARMS = ("ibot", "hssl")
_LOGGED = ("loss", "loss_base_cls", "loss_base_patch", "loss_auxiliary_cls", "feature_spread", "lr")
_LOGGED += ("discrepancy_cka", "discrepancy_cosine", "discrepancy_kl", "images_per_second", "retrieval")


class ReportedImages(ManyImages):
    """A repeat searches for duplicate images and makes the page of two arms with one seed."""

    def prepare(self) -> None:
        self._rng = np.random.default_rng(0)
        self._data = self._made("prepare")
        self._prepared()
        self._dataset = PreparedDataset.open(self._data)
        self._runs = [Run("prepare", RunKey(data="images"), self._data)]
        self._runs += [Run("duplicates", RunKey(data="images"), self._made("duplicates"))]
        for arm in _ARMS:
            for stage, write in (("pretrain", self._log), ("knn", self._probe), ("views", self._views)):
                folder = self._made(f"{stage}-{arm}")
                write(folder)
                self._runs.append(Run(stage, RunKey(arm=arm, seed=0), folder))
        del self._dataset

    def pass_over(self) -> None:
        found = find_duplicates(PreparedDataset.open(self._data), DuplicatesConfig())
        write_json(self.folder / "duplicates" / DUPLICATES, found)
        config = TablesConfig(experiment="many", arms=_ARMS, baseline="ibot", subjects=("hssl",))
        text = page_text(contents(config, [], self._runs, "{}"))
        self.extra["page_mib"] = len(text.encode()) / 2**20

    def _made(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir()
        write_json(folder / "stamp.json", {"config": {}, "seconds": 1.0, "environment": {"libraries": {}}})
        return folder

    def _prepared(self) -> None:
        count = self.num_images
        names, ends = paths_in_shards(count)
        labels = (np.arange(count) % NUM_CLASSES).astype(np.int32)
        splits = (np.arange(count) % TEST_EVERY == 0).astype(np.int8) * 2
        write_arrays(
            self._data / "index.npz", path_bytes=names, path_ends=ends, splits=splits, labels=labels,
            sizes=np.full((count, 2), SIDE, np.int32), positions=np.full((count, 2), -1),
        )  # fmt: skip
        with open(self._data / "pixels.bin", "wb") as stream:
            for _ in range(count):
                stream.write(self._rng.bytes(3 * SIDE**2))
        with open(self._data / "manifest.csv", "w", encoding="utf-8") as stream:
            stream.write(",".join(COLUMNS) + "\n")
            for row in range(count):
                part = "test" if splits[row] else "train"
                digest = self._rng.bytes(32).hex()
                stream.write(f"{row}.jpg,{part},{labels[row]},{SIDE},{SIDE},{digest}\n")
        totals = {
            part: np.bincount(labels[splits == code], minlength=NUM_CLASSES).tolist()
            for code, part in ((0, "train"), (2, "test"))
        }
        summary = summary_of_shards(self._data) | {"stored": True, "num_quarantined": 0}
        counts = {part: sum(of) for part, of in totals.items()}
        write_json(self._data / "summary.json", summary | {"counts": counts, "class_counts": totals})

    def _log(self, folder: Path) -> None:
        with open(folder / METRICS, "w", encoding="utf-8") as stream:
            for step in range(LOGGED_EVERY, EPOCHS * self.num_images // BATCH_SIZE + 1, LOGGED_EVERY):
                values = dict(zip(_LOGGED, self._rng.random(len(_LOGGED)).tolist(), strict=True))
                stream.write(json.dumps({"step": step} | values) + "\n")

    def _probe(self, folder: Path) -> None:
        """Every other test image is classified correctly."""
        rows = self._dataset.indices("test")
        labels = self._dataset.labels[rows]
        wrong = self._rng.integers(0, NUM_CLASSES, len(rows))
        predicted = np.where(np.arange(len(rows)) % 2, labels, wrong)
        np.savez(folder / "predictions.npz", labels=labels, predictions=predicted, index=rows)
        matrix = np.bincount(labels * NUM_CLASSES + predicted, minlength=NUM_CLASSES**2)
        matrix = matrix.reshape(NUM_CLASSES, NUM_CLASSES)
        names = self._dataset.class_names
        lines = [
            ["true class", *names],
            *([name, *of] for name, of in zip(names, matrix.tolist(), strict=True)),
        ]
        _write_csv(folder / "confusion.csv", lines)
        right, totals = np.diag(matrix), matrix.sum(axis=1)
        scores = [
            [name, total, "" if total == 0 else one / total]
            for name, total, one in zip(names, totals.tolist(), right.tolist(), strict=True)
        ]
        _write_csv(folder / "per_class.csv", [["class", "num_images", "accuracy"], *scores])

    def _views(self, folder: Path) -> None:
        shown, bank = (
            samples(self._dataset.indices("test"), 400),
            samples(self._dataset.indices("train"), 2000),
        )
        vectors = {side: self._vectors(len(shown)) for side in (BASE, HEAD)}
        of_bank = {side: self._vectors(len(bank)) for side in vectors}
        write_views(folder, Views("test", shown, bank, vectors, of_bank, maps_of(vectors)))

    def _vectors(self, count: int) -> np.ndarray:
        return self._rng.standard_normal((count, CHANNELS)).astype(np.float32)


def _write_csv(path: Path, lines: list[list]) -> None:
    path.write_text("".join(",".join(map(str, line)) + "\n" for line in lines), encoding="utf-8")
