"""The settings of an experiment: TOML files, read into frozen, validated values."""
