"""Names that modules share which must not load one another."""

PER_LABEL = "threshold."  # threshold.dog=0.6: a setting of one label's own
