"""Starts Jittor on this machine: its cache, oneDNN, CUDA, the processor, and where compiled code is kept."""
