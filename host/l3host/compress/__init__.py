"""Making a network smaller: pruning, sensitivity, batch norm re-estimation, ablation. plans and masks need no TensorFlow."""
