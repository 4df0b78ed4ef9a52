"""Host side of l3mote: write, read, run, train and emulate .l3m models."""

from l3host.errors import L3Error

__all__ = ["L3Error", "__version__", "get_embedding", "process_audio_file"]


def __getattr__(name: str):
    """Import NumPy and the device package when they are needed, not whenever pytest loads the plugin."""
    if name in ("get_embedding", "process_audio_file"):
        from l3host import embed

        return getattr(embed, name)
    if name == "__version__":
        from l3mote import __version__

        return __version__
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
