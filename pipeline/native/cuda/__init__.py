"""Sources of the CUDA kernels, and how they are built."""
