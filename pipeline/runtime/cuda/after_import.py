"""What is set on the imported `jittor` module where it runs on a card."""

from types import ModuleType


def tune(jittor: ModuleType) -> None:
    """Keep the work on the card, and do not wait for it.

    Without cutt, which would be downloaded, Jittor's own transposition runs on the processor wherever the
    last axis moves: 231 times in a step of ViT-S/16, each with two copies and a wait. The fused one is a
    kernel. Its pinned host memory makes each `jittor.array` a synchronous copy on the kernels' stream.
    """
    jittor.origin_transpose = jittor.fuse_transpose
    jittor.flags.use_cuda_host_allocator = 0
