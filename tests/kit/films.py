"""Clips of a disc that swings and a tone that swells with it: the colour goes with the pitch."""

import colorsys

import numpy as np

SECONDS, RATE, SIDE = 1.5, 16000, 32
HEIGHT, WIDTH, SHOWN = 48, 64, 8  # pixels, frames a second


def random_hues(number, rng):
    """Five colours, red to violet, each a little different in every clip."""
    return rng.integers(5, size=number) / 5 + rng.uniform(0, 0.06, number)


def pitch(hue):
    return 300 * 10**hue  # Hz


def frame_at(second, hue, phase):
    """A coloured disc that swings from side to side before grey."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    middle = WIDTH * (0.5 + 0.3 * np.sin(2 * np.pi * second + phase))
    picture = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    picture[np.hypot(x - middle, y - HEIGHT / 2) < 14] = [round(255 * c) for c in colorsys.hsv_to_rgb(hue, 1, 1)]
    return picture


def write_clip(path, hue, rng, silent=False, channels=1, audible=SECONDS):
    """A clip with the disc and its tone, which swells where the disc passes the middle."""
    import av

    phase = rng.uniform(0, 2 * np.pi)
    with av.open(str(path), "w") as file:
        picture = file.add_stream("mpeg4", rate=SHOWN)
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = file.add_stream("pcm_s16le", rate=RATE, layout="stereo" if channels == 2 else "mono") if channels else None
        for number in range(round(SECONDS * SHOWN)):
            frame = av.VideoFrame.from_ndarray(frame_at(number / SHOWN, hue, phase), format="rgb24")
            file.mux(picture.encode(frame))
        file.mux(picture.encode())
        if sound:
            t = np.arange(round(audible * RATE)) / RATE
            tone = np.cos(2 * np.pi * t + phase) ** 2 * np.sin(2 * np.pi * pitch(hue) * t) + 0.01 * rng.standard_normal(len(t))
            samples = (0 if silent else 1) * (9000 * tone).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(np.repeat(samples, channels)[None], "s16", "stereo" if channels == 2 else "mono")
            frame.sample_rate = RATE
            file.mux(sound.encode(frame))
            file.mux(sound.encode())
    return str(path)
