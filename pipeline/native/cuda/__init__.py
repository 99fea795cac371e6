"""Sources of the CUDA kernels, and their build."""
