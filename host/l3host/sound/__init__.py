"""Sounds: read and resampled, synthesised, and cut into windows."""
