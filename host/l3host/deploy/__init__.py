"""Deploying: what a board is (facts), what goes there (payload), how (links, targets), in what order (steps)."""
