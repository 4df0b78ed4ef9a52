"""Keras networks: TensorFlow's one door (backend), the log-mel layer, L3's networks, and weights in and out of them."""
