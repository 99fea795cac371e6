"""Images -> crops for pretraining and probes, masks over patches, views for dense tasks and classifiers."""
