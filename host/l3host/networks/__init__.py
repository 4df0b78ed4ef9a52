"""Keras networks: the only import of TensorFlow (backend), the log-mel layer, L3's networks, loading and exporting weights."""
