"""A serial line on which every read ends after so many seconds and so many bytes."""

from __future__ import annotations

import time

SLICE = 0.2  # seconds that the port itself waits
TAIL = 2000  # bytes kept of the last input, to say what is wrong


class EndlessError(OSError):
    """More bytes came, or for longer, than any answer takes."""


class Line:
    """The part of pyserial's Serial that mpremote and ampy use. Call allow() before each of their operations."""

    def __init__(self, port, seconds: float):
        self.port = port
        port.timeout = SLICE
        port.write_timeout = seconds
        self.timeout = seconds  # without a byte
        self.tail = b""
        self.allow(seconds, TAIL)

    def __getattr__(self, name: str):
        return getattr(self.port, name)

    def allow(self, seconds: float, most: int) -> None:
        """Allow so many bytes from now on, within so many seconds."""
        self.end, self.left = time.monotonic() + seconds, most
        self.tail = b""

    def read(self, n: int = 1) -> bytes:
        """Return n bytes, or fewer if the line fell silent. Raises EndlessError."""
        data, quiet = b"", time.monotonic() + self.timeout
        while len(data) < n:
            part = self.port.read(min(n - len(data), max(1, self.port.in_waiting)))
            now = time.monotonic()
            if part:
                data, quiet = data + part, now + self.timeout
                self.tail = (self.tail + part)[-TAIL:]
                self.left -= len(part)
            elif now > quiet:
                break
            if self.left < 0 or now > self.end:
                raise EndlessError
        return data

    def read_until(self, ending: bytes | tuple[bytes, ...], seconds: float) -> bytes:
        """Return all bytes up to the ending, or until the time is up. Raises EndlessError."""
        data, end, timeout = b"", time.monotonic() + seconds, self.timeout
        self.timeout = SLICE
        try:
            while not data.endswith(ending) and time.monotonic() < end:
                data += self.read(1)
        finally:
            self.timeout = timeout
        return data

    def flush(self) -> None:
        """Wait until everything is sent, but not for ever."""
        end = time.monotonic() + 2
        while self.port.out_waiting and time.monotonic() < end:
            time.sleep(0.01)
