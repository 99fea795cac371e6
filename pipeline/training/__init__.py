"""What every training loop has: random generators, order, batches ahead, throughput, its log."""
