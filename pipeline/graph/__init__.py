"""What runs when: nodes, fingerprints, processes, doit's tasks."""
