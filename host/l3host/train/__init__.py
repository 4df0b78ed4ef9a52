"""Supervised training of a small L3-shaped network: data sets, augmentation, Keras network, cross-validation, export."""
