"""What a board gets: which modules for which firmware, as sources or precompiled, and the app's settings."""
