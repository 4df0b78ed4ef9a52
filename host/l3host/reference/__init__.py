"""What the device must compute: in floats, in fixed point bit for bit, and the events of a whole recording."""
