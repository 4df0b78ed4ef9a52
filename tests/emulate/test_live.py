"""A recording that the app hears in real time, as `l3mote listen` with MQTT plays it."""

import time
import wave

from l3host.emulate.guest.listen_job import Recording, live


def test_sound_of_a_sleep_is_gone_afterwards(tmp_path):
    with wave.open(str(tmp_path / "sound.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 8000))
    source = live(Recording(str(tmp_path / "sound.wav")))
    before = time.monotonic()
    source.sleep(0.05)
    samples = source.readinto(memoryview(bytearray(2 * 8000)).cast("h"))
    assert 0 <= samples <= 8000 * (time.monotonic() - before - 0.05) + 1
    assert source.source.left == 8000 - 400 - samples
    source.close()
