"""The public contract, generated from proto/."""
