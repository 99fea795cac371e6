"""Decides what runs when: nodes, fingerprints, processes, doit's tasks."""
