"""Sources of the kernels for a device, and how they are built."""
