"""The rows of the benchmark."""

from dataclasses import replace
from typing import Any

from benchmarks.counting import crops_per_core, dense_images, search_flops, segmentation_flops, sweep_flops
from benchmarks.row import Row, Target
from benchmarks.step_rows import STEP_ROWS

_AUGMENT = Row(
    name="augment",
    title="2 global crops of 224 px and 6 local ones of 96 px from images in memory, one thread",
    unit="images/s per core",
    ours="our-loading",
    other="torchvision-loading",
    other_name="torchvision on PIL",
    needs=("torch", "torchvision"),
    toy={"images": 4, "batch": 2, "global_size": 32, "local_size": 16},
    items=crops_per_core,
    higher_is_better=True,
    targets=(Target("ratio", at_least=3),),
    repeats=5,
    seconds=20,
)
_CHECK = Row(
    name="prepare",
    title="what preparing does with a JPEG file of 500 x 375 px beside decoding it alone, processor time",
    unit="images/s per core",
    ours="our-checking",
    other="pillow-decoding",
    other_name="decoding by Pillow, as torchvision's ImageFolder does",
    parameters={"images": 200},
    toy={"images": 4},
    items=lambda parameters: parameters["images"],
    higher_is_better=True,
    targets=(Target("ratio", at_least=1),),
    repeats=5,
    seconds=20,
)
_KNN = Row(
    name="knn-sklearn",
    title="exact k-NN, bank 50,000 x 384, 10,000 queries, k 20",
    unit="s",
    ours="our-search",
    other="sklearn-search",
    other_name="scikit-learn, brute force",
    needs=("sklearn",),
    toy={"queries": 300, "bank": 500, "channels": 16},
    flops=search_flops,
    targets=(Target("ratio", at_least=1), Target("beside_bank_mib", at_most=256)),
    repeats=5,
    seconds=30,
)
_IDLE = Row(
    name="no-op",
    title="the slower of `doit run all` with nothing to do and `doit list --all --status`",
    unit="s",
    ours="idle-graph",
    targets=(Target("ours", at_most=0.7),),
    repeats=5,
    seconds=10,
)


def _dense_row(task: str, *, seconds: float = 10, **beside: Any) -> Row:
    """A row of a fine-tuning step; beside: settings of the other program, if there is one."""
    return Row(
        name=f"{task}-step",
        title=f"{task}, fine-tuning step at the sizes of `quickstart`",
        unit="images/s",
        ours="dense-step",
        parameters={"task": task},
        items=dense_images,
        higher_is_better=True,
        seconds=seconds,
        **beside,
    )


ROWS: tuple[Row, ...] = (
    *STEP_ROWS,
    _AUGMENT,
    replace(
        _AUGMENT,
        name="augment-pillow",
        other="pillow-loading",
        other_name="the same crops by this project's plain twin on Pillow",
        needs=(),
        parameters={"pixels": True},
        targets=(),
        repeats=3,
    ),
    replace(
        _AUGMENT,
        name="load",
        title="the same from JPEG files of 500 x 375 px, every core loading",
        other_name="torchvision on PIL, DataLoader with a worker per core",
        parameters={"files": True},
        targets=(),
    ),
    _CHECK,
    replace(
        _CHECK,
        name="prepare-torchvision",
        other="torchvision-decoding",
        other_name="decoding by torchvision.io",
        needs=("torch", "torchvision"),
    ),
    Row(
        name="shard",
        title="a WebDataset shard of 5,000 JPEG files of 500 x 375 px, read and decoded by one thread",
        unit="s",
        ours="shard-reading",
        toy={"images": 20},
        repeats=2,
    ),
    Row(
        name="coco",
        title="opening COCO as large as instances_train2017, 118,287 images, 860,001 objects; processor time",
        unit="s",
        ours="coco-file",
        toy={"images": 50, "objects": 300},
        targets=(Target("ours", at_most=20), Target("peak_rss_mib", at_most=1536)),
        repeats=2,
    ),
    Row(
        name="wait",
        title="share of time that a ViT-S/16 step waits for its batch, JPEG files of 500 x 375 px",
        unit="% of time",
        ours="data-wait",
        parameters={"size": "vit-small"},
        toy={"size": "toy", "steps": 4},
        targets=(Target("ours", at_most=3),),
        repeats=2,
        seconds=30,
    ),
    Row(
        name="monitor",
        title="what the monitor adds to quickstart's training of HSSL, every 5 epochs, 1,024 images",
        unit="% of time",
        ours="monitor-cost",
        parameters={"steps": 20, "images": 1024},
        toy={"steps": 2, "images": 16},
        targets=(Target("ours", at_most=3),),
        repeats=3,
        seconds=30,
    ),
    _KNN,
    replace(
        _KNN,
        name="knn-faiss",
        other="faiss-search",
        other_name="faiss-cpu, flat index",
        needs=("faiss",),
        targets=(Target("ratio", at_least=1.3), *_KNN.targets[1:]),
    ),
    Row(
        name="linear",
        title="linear probe, 50,000 x 1536, 20 classes, 45 learning rates, one epoch",
        unit="s",
        ours="our-sweep",
        other="sweep-by-rate",
        other_name="one rate after the other, NumPy",
        toy={"images": 3000, "channels": 24, "classes": 3},
        flops=sweep_flops,
        tolerance=1e-2,
        targets=(Target("ratio", at_least=3),),
        repeats=3,
        seconds=45,
    ),
    _dense_row(
        "segmentation",
        other="torch-segmentation-step",
        other_name="PyTorch eager",
        needs=("torch",),
        flops=segmentation_flops,
        targets=(Target("ratio", at_least=1.5),),
        seconds=20,
        profile="if a target is missed",
    ),
    _dense_row(
        "detection",
        other="torch-detection-step",
        other_name="PyTorch eager, torchvision's operators",
        needs=("torch", "torchvision"),
        targets=(Target("ratio", at_least=1.5),),
        seconds=20,
    ),
    Row(
        name="start-up",
        title="a process from nothing to its first matrix product, everything compiled",
        unit="s",
        ours="our-startup",
        other="torch-startup",
        other_name="import torch",
        needs=("torch",),
        repeats=5,
        seconds=15,
    ),
    _IDLE,
    replace(
        _IDLE,
        name="no-op-manifest",
        title=f"{_IDLE.title}, for a source of 1,300,000 images",
        parameters={"lines": 1_300_000},
        toy={"lines": 30_000},
        targets=(Target("ours", at_most=2),),
        repeats=3,
    ),
    Row(
        name="memory-growth",
        title="memory after 2,000 steps against step 20, toy network",
        unit="% more",
        ours="memory-growth",
        toy={"late": 60},
        targets=(Target("ours", at_most=2),),
        repeats=1,
    ),
)


def chosen_rows(
    names: str | None, rows: tuple[Row, ...] = ROWS, *, toy: bool = False, profile: bool = False
) -> tuple[Row, ...]:
    """The rows in a comma-separated list of names or prefixes; without a list, the default rows.

    Args:
        rows: all rows.
        toy: use sizes that take seconds and tell nothing about speed.
        profile: rows that can report our program's operations always do.

    Raises:
        ValueError: a name that no row begins with.
    """
    wanted = [name.strip() for name in (names or "").split(",") if name.strip()]
    names = {row.name for row in rows}
    for name in wanted:
        if not any(each.startswith(name) for each in names):
            raise ValueError(f"rows={name}: no such row; there are {', '.join(row.name for row in rows)}")

    def is_meant(row: Row) -> bool:
        return any(row.name == name if name in names else row.name.startswith(name) for name in wanted)

    chosen = [row for row in rows if (is_meant(row) if wanted else row.by_default)]
    if toy:
        chosen = [replace(row, parameters=row.parameters | row.toy) for row in chosen]
    if profile:
        chosen = [replace(row, profile="always") if row.profile != "never" else row for row in chosen]
    return tuple(chosen)
