"""code.py of a noise monitor for CircuitPython.

Beside it stand model.l3m and settings.json, which has at least the microphone's pins: {"sck": "GP16", "ws": "GP17", "sd": "GP18"}.

While a computer has the drive, code cannot write the log, and the monitor says so; boot.py gives the drive to code:

    import storage
    storage.remount("/", readonly=False)
"""

from l3mote.app import noise_monitor

noise_monitor(".")
