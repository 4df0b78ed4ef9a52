"""The boards that we know, and what a model costs there in heap, seconds and charge."""
