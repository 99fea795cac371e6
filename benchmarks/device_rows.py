"""The benchmark's rows on a GPU: steps against PyTorch on the same GPU, in one run; and k-NN.

In both programs the crops of a pretraining step are on the GPU before it begins, so the upload is not
measured. Of a dense step ours uploads the batch. Of k-NN ours reads the bank from the host's memory in each
search, faiss has it on the GPU.
"""

from typing import Any

from benchmarks.counting import dense_images, search_flops, segmentation_flops, step_images, steps_operations
from benchmarks.row import Row, Target

_BATCH = 64
_STEPS = 20  # in a repeat: the device is synchronised before the clock is read, which costs time
_LOADED = {"schedule": {"batch_size": _BATCH, "precision": "bfloat16"}}
_TITLES = {"vit-small": "ViT-S/16", "vit-base": "ViT-B/16"}
# Between two programs that round at different places, relative, in losses and in the parameters' ways.
_TOLERANCES = {"float32": 2e-3, "tf32": 2e-2, "bfloat16": 5e-2}


def _row(
    size: str,
    precision: str,
    *,
    suffix: str = "",
    other: str = "torch-step",
    name: str,
    least: float | None,
    **more,
) -> Row:
    changes = {"schedule": {"batch_size": _BATCH, "precision": precision}}
    return Row(
        name=f"step-{size}-{precision}{suffix}",
        title=f"pretraining step, {_TITLES[size]} at 224 px, batch {_BATCH}, K 8192, {precision}",
        unit="images/s",
        ours="our-step",
        other=other,
        other_name=name,
        needs=("torch",) if other == "torch-step" else (),
        parameters={"size": size, "changes": changes, "steps": _STEPS, "device": "cuda"},
        other_parameters=more,
        toy={"size": "toy", "steps": 2},
        items=step_images,
        higher_is_better=True,
        flops=steps_operations,
        tolerance=_TOLERANCES[precision],
        targets=() if least is None else (Target("ratio", at_least=least),),
        profile="if a target is missed",
        repeats=5,
        seconds=60,
    )


def _rows_of(size: str) -> list[Row]:
    eager = "PyTorch eager, same algorithm"
    return [
        _row(size, "bfloat16", name=eager, least=1.3),
        _row(size, "bfloat16", suffix="-compiled", name="PyTorch, torch.compile", least=1.05, compile=True),
        _row(size, "tf32", name=eager, least=None),
        _row(size, "float32", name=eager, least=None),
    ]


def _dense_row(task: str, title: str, *, other_name: str, packages: tuple[str, ...], **more: Any) -> Row:
    return Row(
        name=f"{task}-card",
        title=f"{task}, fine-tuning step: {title}, batch 16, TF32",
        unit="images/s",
        ours="dense-step",
        other=f"torch-{task}-step",
        other_name=other_name,
        needs=packages,
        parameters={
            "task": task,
            "preset": "imagenet-vit-small-dense",
            "changes": {f"{task}.schedule.batch_size": 16} | more.pop("changes", {}),
            "device": "cuda",
        },
        toy={"preset": "quickstart", "changes": {}},
        items=dense_images,
        higher_is_better=True,
        tolerance=_TOLERANCES["tf32"],
        targets=(Target("ratio", at_least=1),),
        profile="if a target is missed",
        repeats=5,
        seconds=60,
        **more,
    )


DEVICE_ROWS: tuple[Row, ...] = (
    *_rows_of("vit-small"),
    *_rows_of("vit-base"),
    _row(
        "vit-small",
        "float32",
        suffix="-official",
        other="official-step",
        name="the official computation in stock Jittor operators",
        least=8,
    ),
    _dense_row(
        "segmentation",
        "UPerNet on ViT-S/16 at 512 px",
        other_name="PyTorch eager",
        packages=("torch",),
        flops=segmentation_flops,
    ),
    _dense_row(
        "detection",
        "cascade on ViT-S/16 at 768 px, heads as in `quickstart`",
        other_name="PyTorch eager, torchvision's operators",
        packages=("torch", "torchvision"),
        changes={
            "detection.view.short_sides": [768],
            "detection.heads.box_convs": 0,
            "detection.heads.class_agnostic": True,
            "detection.heads.mask_heads": "last",
            "detection.heads.num_levels": 4,
        },
    ),
    Row(
        name="load-card",
        title="JPEG files of 500 x 375 px to two crops of 224 px on the card, batch 64",
        unit="images/s",
        ours="card-loading",
        parameters={"size": "vit-small", "changes": _LOADED, "steps": 20, "device": "cuda"},
        toy={"size": "toy", "changes": {}, "steps": 2},
        items=step_images,
        higher_is_better=True,
        targets=(Target("ours", at_least=2500),),
        repeats=5,
        seconds=60,
    ),
    Row(
        name="wait-card",
        title="share of time that a ViT-S/16 step waits for its batch from these files",
        unit="% of time",
        ours="data-wait",
        parameters={"size": "vit-small", "changes": _LOADED, "steps": 40, "images": 1280, "device": "cuda"},
        toy={"size": "toy", "changes": {}, "steps": 4, "images": 64},
        targets=(Target("ours", at_most=3),),
        repeats=2,
        seconds=30,
    ),
    Row(
        name="knn-card",
        title="exact k-NN, bank 1,280,000 x 384, 50,000 queries, k 200",
        unit="s",
        ours="card-search",
        other="faiss-card-search",
        other_name="faiss-gpu, flat index",
        needs=("faiss",),
        parameters={"queries": 50_000, "bank": 1_280_000, "channels": 384, "k": 200},
        toy={"queries": 300, "bank": 500, "channels": 16, "k": 20},
        flops=search_flops,
        targets=(Target("ratio", at_least=1), Target("peak_share", at_least=0.6)),
        repeats=5,
        seconds=60,
    ),
)
