"""The rows of pretraining steps."""

from dataclasses import replace

from benchmarks.counting import step_images, steps_operations
from benchmarks.row import Row, Target
from pipeline.runtime.processor import model_and_flags, multiplies_bfloat16


def _step_rows(size: str, title: str, targets: tuple[Target, ...]) -> list[Row]:
    lean = Row(
        name=f"step-{size}",
        title=f"pretraining step, {title}",
        unit="images/s",
        ours="our-step",
        other="torch-step",
        other_name="PyTorch eager, same algorithm",
        needs=("torch",),
        parameters={"size": size},
        toy={"size": "toy", "steps": 4},
        items=step_images,
        higher_is_better=True,
        flops=steps_operations,
        targets=(Target("ratio", at_least=1.35), Target("peak_share", at_least=_peak_share()), *targets),
        profile="if a target is missed",
    )
    if size == "quickstart":
        return [replace(lean, repeats=15, seconds=20)]
    official = replace(
        lean,
        name=f"step-{size}-official",
        other="official-step",
        other_name="the official computation in stock Jittor operators",
        needs=(),
        targets=(),
        profile="never",
        repeats=3,
        seconds=30,
    )
    compiled = replace(
        lean,
        name=f"step-{size}-compiled",
        other_name="PyTorch, torch.compile",
        other_parameters={"compile": True},
        targets=(Target("ratio", at_least=1.2),),
        profile="never",
        repeats=5,
        by_default=False,
    )
    if size != "vit-small":
        return [lean, official, compiled]
    rounded = replace(
        lean,
        name=f"step-{size}-bfloat16",
        title=f'{lean.title}, schedule.precision = "bfloat16"',
        other="our-step",
        other_name="the same in float32",
        needs=(),
        parameters={"size": size, "changes": {"schedule": {"precision": "bfloat16"}}},
        other_parameters={"changes": {}},
        impossible=lambda: "" if multiplies_bfloat16() else "no instructions for bfloat16",
        tolerance=0.03,
        targets=(),
        repeats=3,
        seconds=20,
    )
    rounded_too = replace(
        rounded,
        name=f"step-{size}-bfloat16-torch",
        other="torch-step",
        other_name="PyTorch eager under autocast, same algorithm",
        needs=("torch",),
        other_parameters={},
        targets=(Target("ratio", at_least=1.5),),
    )
    return [lean, official, compiled, rounded, rounded_too]


def _peak_share() -> float:
    """Target share of the matmul peak for a step: with narrower vectors, other operations take more of it."""
    return 0.88 if "avx512f" in model_and_flags().split() else 0.85


STEP_ROWS: tuple[Row, ...] = (
    *_step_rows("quickstart", "as in `quickstart`: 32 px / patch 8 / dim 96 / depth 3, batch 64, K 256", ()),
    *_step_rows("small", "32 px / patch 4 / dim 192 / depth 12, batch 64, K 1024", ()),
    *_step_rows(
        "vit-small",
        "ViT-S/16 at 224 px, batch 8, K 8192",
        (
            Target("peak_rss_mib", at_most=2048),
            Target("memory_ratio", at_most=0.55),
        ),
    ),
    Row(
        name="step-vit-base",
        title="pretraining step, ViT-B/16 at 224 px, batch 8, K 8192",
        unit="images/s",
        ours="our-step",
        parameters={"size": "vit-base"},
        toy={"size": "toy", "steps": 4},
        items=step_images,
        higher_is_better=True,
        flops=steps_operations,
        targets=(Target("peak_rss_mib", at_most=4500),),
        repeats=3,
        by_default=False,
    ),
)
