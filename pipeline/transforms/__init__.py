"""Images -> crops for pretraining and for the probes, and the masks over their patches."""
