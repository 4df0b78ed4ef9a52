"""Runs on the emulated RP2040 at boot: /script.mpy on /job. At the end it prints the status between two control characters."""

import sys
import time


def run():
    import script

    for _ in script.work("/job"):
        pass


time.sleep_ms(300)  # USB enumerates; what is printed before is lost
status = 0
try:
    run()
except SystemExit as e:
    status = int(e.args[0])
except Exception as e:
    sys.print_exception(e)
    status = 1
print("\x04%d\x04" % status)
