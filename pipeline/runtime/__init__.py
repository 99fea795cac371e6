"""Starts Jittor on this machine: its compiled code and cache, oneDNN, CUDA, MPI."""
