"""The reference for the device: the network in floats, in fixed point bit for bit, and the events of a whole recording."""
