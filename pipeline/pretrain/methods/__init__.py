"""Methods of self-supervised learning, one file each; their settings and arms are in `settings`."""
