"""A board at the end of a pseudo-terminal that speaks the raw prompt's protocol and lies: what each of LIES answers."""

import contextlib
import os
import pty
import select
import threading
import tty

FACTS = (
    b"{'implementation': 'micropython', 'version': (1, 27, 0), 'machine': 'EVIL\x1b[2J\x1b]0;pwned\x07board', 'mpy': 4870, "
    b"'float_bits': 32, 'ulab': False, 'viper': True, 'hashlib': True, 'heap': 220000, 'folder': '/', 'flash': 1000000, "
    b"'writable': True, 'names': []}\r\n"
)
ENDLESS = None
NONE = (b"", b"")  # what feeding a watchdog and defining functions print
RESET = b"ets Jul 29 2019\r\nrst:0x8 (TG1WDT_SYS_RESET)\r\nMicroPython v1.27.0 on 2025-12-09; ESP32\r\n>>> "
# the answers to one command after the other, the last for ever: (printed, error); or bytes that stand instead of an answer
LIES = {
    "deep": [(b"(" * 20000 + b")" * 20000, b"")],
    "deep lists": [(b"[" * 3000 + b"]" * 3000, b"")],
    "code": [(b"__import__('os').system('touch OWNED')", b"")],
    "nothing": [(b"", b"")],
    "huge": [(b"'" + b"x" * 5_000_000 + b"'", b"")],
    "no text": [(b"\xff\xfe\xff", b"")],
    "another shape": [(b"[1, 2, 3]", b"")],
    "facts of another kind": [(FACTS.replace(b"4870", b"'4870'"), b"")],
    "an error": [(b"", b"Traceback\r\n  File\r\n\x1b[2J\x1b[31mOSError: \x1b]52;c;cHduZWQ=\x07evil\r\n")],
    "a long error": [(b"", b"E" * 5_000_000)],
    "facts, then deep": [NONE, (FACTS, b""), NONE, NONE, NONE, (b"(" * 20000 + b")" * 20000, b"")],
    "facts, then None": [NONE, (FACTS, b""), (b"None\r\n", b"")],
    "facts, then a number": [NONE, (FACTS, b""), NONE, NONE, NONE, (b"-1\r\n", b"")],
    "facts, then no end": [NONE, (FACTS, b""), ENDLESS],
    "a watchdog": [NONE, (FACTS, b""), RESET],
}


class Prompt:
    """The raw prompt's half of a conversation. answers: those to one command after the other, as in LIES, the last for ever."""

    def __init__(self, answers):
        self.answers = list(answers)
        self.raw, self.buffer = False, b""

    def write(self, data):
        """Send to the computer."""
        raise NotImplementedError

    def talk(self, data):
        """Send it again and again."""
        raise NotImplementedError

    def take(self, data):
        """Answer what came from the computer."""
        self.buffer += data
        while self.buffer:
            if self.raw and self.buffer[0] not in b"\x01\x02\x03\x04\x05\r":
                _, end, rest = self.buffer.partition(b"\x04")
                if not end:
                    break
                self.buffer = rest
                self.answer()
            else:
                self.control()

    def control(self):
        c, self.buffer = self.buffer[:1], self.buffer[1:]
        if c == b"\x05":  # raw paste is not offered
            self.buffer = self.buffer[2:]
            self.write(b"R\x00")
        elif c == b"\x02":
            self.raw = False
            self.write(b"\r\n>>> ")
        elif c == b"\x01":
            self.raw = True
            self.write(b"raw REPL; CTRL-B to exit\r\n>")
        elif c == b"\x04":
            self.write(b"soft reboot\r\n" + (b"raw REPL; CTRL-B to exit\r\n>" if self.raw else b">>> "))

    def answer(self):
        answered = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answered is ENDLESS:
            self.write(b"OK")
            self.talk(b"x" * 1000)
        elif isinstance(answered, bytes):
            self.write(b"OK" + answered)
        else:
            self.write(b"OK" + answered[0] + b"\x04" + answered[1] + b"\x04>")


class Liar(Prompt):
    """kind: a name of LIES, or "silent", "echo", "garbage", "prompts", "no end", "deaf" (a program that ignores Ctrl-C)."""

    def __init__(self, kind):
        super().__init__(LIES.get(kind, ()))
        self.kind = kind
        self.ours, theirs = pty.openpty()
        tty.setraw(theirs)
        tty.setraw(self.ours)
        self.port, self.theirs = os.ttyname(theirs), theirs
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def close(self):
        self.over.set()
        self.thread.join(10)
        for end in (self.ours, self.theirs):
            os.close(end)

    def write(self, data):
        while data and not self.over.is_set():
            if select.select([], [self.ours], [], 0.1)[1]:
                data = data[os.write(self.ours, data[:1000]) :]

    def talk(self, data):
        while not self.over.is_set():
            self.write(data)

    def run(self):
        os.set_blocking(self.ours, False)
        with contextlib.suppress(OSError):
            if self.kind in ("garbage", "prompts"):
                self.talk(bytes(range(128, 256)) * 8 if self.kind == "garbage" else b">>> " * 100)
            while not self.over.is_set():
                self.step()

    def step(self):
        if not select.select([self.ours], [], [], 0.3)[0]:
            if self.kind == "deaf":
                self.write(b"temperature 21.5\r\n")
            return
        data = os.read(self.ours, 65536)
        if self.kind == "echo":
            self.write(data)
        elif self.kind not in ("silent", "deaf"):
            self.take(data)

    def control(self):
        super().control()
        if self.raw and self.kind == "no end":
            self.talk(b"y" * 1000)
