"""Host side of l3mote: write, read, run, train and emulate .l3m models."""

from l3host.embed import get_embedding
from l3host.errors import L3Error
from l3mote import __version__

__all__ = ["L3Error", "__version__", "get_embedding"]
