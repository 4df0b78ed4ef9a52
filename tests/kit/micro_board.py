"""A Publisher in MicroPython that follows commands: micropython_scripts/publish.py as a process."""

import json
import os
import subprocess
import threading

from support import ROOT, SCRIPTS

from l3host.programs import venv_tool

SCRIPT = SCRIPTS / "publish.py"


class Board:
    def __init__(self, folder, port, **settings):
        given = {"mic": "callback", "name": "noise", "mqtt_host": "127.0.0.1", "mqtt_port": port, "mqtt_topic": "yard", **settings}
        environment = {**os.environ, "MICROPYPATH": f"{ROOT / 'device'}:.frozen"}
        command = [venv_tool("micropython"), str(SCRIPT), str(folder), json.dumps(given)]
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.state = self.answer()

    def answer(self, patience=60):
        watch = threading.Timer(patience, self.process.kill)
        watch.start()
        line = self.process.stdout.readline()
        watch.cancel()
        assert line, "the board stopped, or did not answer in time"
        return json.loads(line)

    def __call__(self, command, patience=60):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.answer(patience)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
