"""main.py of a noise monitor: an ESP32-S3 or RP2040 with an INMP441 microphone and MicroPython.

Beside it stand model.l3m and settings.json, which has at least the microphone's pins: {"sck": 16, "ws": 17, "sd": 18}.
`l3mote deploy` does all of that.
"""

from l3mote.app import noise_monitor

noise_monitor(".")
