"""Deploying: what a board is (facts), what is copied (payload), how (links, targets), in what order (steps)."""
