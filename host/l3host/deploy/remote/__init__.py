"""What runs on the board during a deployment, sent to its prompt by the host."""
