"""What a user may set: TOML files read into frozen, validated values."""
