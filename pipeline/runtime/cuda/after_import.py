"""Settings of the imported `jittor` module when it runs on a GPU."""

from types import ModuleType


def tune(jittor: ModuleType) -> None:
    """Keep the work on the GPU, and avoid synchronous copies.

    Without cutt, which would be downloaded, Jittor transposes on the processor whenever the last axis moves:
    231 times in a step of ViT-S/16, each with two copies and a synchronisation. Its fused transpose is a GPU
    kernel. Its pinned host memory makes each `jittor.array` a synchronous copy on the kernels' stream.
    """
    jittor.origin_transpose = jittor.fuse_transpose
    jittor.flags.use_cuda_host_allocator = 0
