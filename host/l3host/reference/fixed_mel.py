"""The integer log-mel, bit for bit: the specification that the integer kernels copy. NumPy in int64, every value fits 32 bits.

Steps (n = n_fft): subtract a constant level, Hann window, DFT of n real samples as n / 2 complex ones (radix 2, decimation in
frequency), power as a 31-bit mantissa with a power-of-two scale, mel filterbank on 16-bit mantissas, log2 by leading zeros and a
table. The tables are made here, once, and stored in the file's FIXED section, so that no board computes a cosine.
"""

from __future__ import annotations

import numpy as np

from l3host.errors import L3Error
from l3host.graph.fixed_point import Scale, Tables
from l3host.reference.floats import frames, mel_matrix
from l3mote.format import SCALE_MEL, Frontend

TWIDDLE_BITS = 17
SPLIT = 13  # a factor is split at this bit so that each product fits 32 bits
LOG2_STEPS = 64
LOG2_BITS = 16


def tables(fe: Frontend) -> Tables:
    n = fe.n_fft
    hann = np.round(65535 * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n // 2 + 1) / n)))
    cos = np.round(2**TWIDDLE_BITS * np.cos(2 * np.pi * np.arange(n // 4 + 1) / n))
    log2 = np.minimum(65535, np.round(2**LOG2_BITS * np.log2(1 + np.arange(LOG2_STEPS + 1) / LOG2_STEPS)))
    first, count, weights, unit = _bands(fe)
    hann, cos, log2, first, count, weights = (np.asarray(a).astype(np.int64) for a in (hann, cos, log2, first, count, weights))
    return Tables(hann, cos, log2, first, count, weights, _silence(fe, unit))


def _bands(fe: Frontend):
    """Return the first bin, number of bins and 16-bit weights of each band, and the integer that stands for a weight of 1.

    A linear front-end has one bin of weight 32768 a band.
    """
    if fe.scale != SCALE_MEL:
        return np.arange(fe.bands), np.ones(fe.bands), np.full(fe.bands, 32768), 32768
    matrix = mel_matrix(fe)
    unit = 65535 / matrix.max()
    matrix = np.round(matrix * unit)
    first, count, weights = [], [], []
    for column in matrix.T:
        bins = np.flatnonzero(column)
        start, stop = (bins[0], bins[-1] + 1) if len(bins) else (0, 0)
        first.append(start)
        count.append(stop - start)
        weights.append(column[start:stop])
    return np.array(first), np.array(count), np.concatenate(weights), unit


def _silence(fe: Frontend, unit: float) -> int:
    """Return the level of a band whose amplitude is fe.floor, of samples in [-1, 1], as bands() counts levels."""
    doublings = 2 * np.log2(fe.floor * 32768 * 65535) + np.log2(unit) - 8 - LEVEL_OFFSET
    return int(np.clip(np.round(doublings * 2**LEVEL_BITS), -32768, -1))


def frame_bits(fe: Frontend) -> int:
    """Return the bits of a windowed sample; they leave room for the DFT's growth below 2^27."""
    return 28 - (fe.n_fft.bit_length() - 1)


def _cos_sin(t: Tables, n: int, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return cos and sin of 2 pi k / n for 0 <= k < n / 2, from the quarter wave."""
    quarter = n // 4
    cos = np.where(k <= quarter, t.cos[np.minimum(k, quarter)], -t.cos[np.abs(n // 2 - k) % (quarter + 1)])
    return cos, t.cos[np.abs(quarter - k)]


def rotate(re, im, c, s):
    """Return (re + j im) * (c - j s) / 2^17, rounded, from products of at most 32 bits."""
    rh, rl, ih, il = re >> SPLIT, re & 0x1FFF, im >> SPLIT, im & 0x1FFF
    shift = TWIDDLE_BITS - SPLIT
    half = 1 << (shift - 1)
    out_re = (rh * c + ih * s + ((rl * c >> SPLIT) + (il * s >> SPLIT)) + half) >> shift
    out_im = (ih * c - rh * s + ((il * c >> SPLIT) - (rl * s >> SPLIT)) + half) >> shift
    return out_re, out_im


def dft(t: Tables, n: int, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return bins 0..n/2 (real, imaginary) of n real integers along the last axis."""
    re, im = x[..., 0::2].copy(), x[..., 1::2].copy()
    size = n // 2
    while size > 1:
        half = size // 2
        c, s = _cos_sin(t, n, np.arange(half) * (n // size))
        shape = (*re.shape[:-1], -1, 2, half)
        a, b = re.reshape(shape), im.reshape(shape)
        dr, di = a[..., 0, :] - a[..., 1, :], b[..., 0, :] - b[..., 1, :]
        sums = a[..., 0, :] + a[..., 1, :], b[..., 0, :] + b[..., 1, :]
        turned = rotate(dr, di, c, s)
        re = np.stack([sums[0], turned[0]], axis=-2).reshape(re.shape)
        im = np.stack([sums[1], turned[1]], axis=-2).reshape(im.shape)
        size = half
    order = _bit_reversed(n // 2)
    return _split(t, n, re[..., order], im[..., order])


def _bit_reversed(n: int) -> np.ndarray:
    bits = n.bit_length() - 1
    return np.array([int(f"{i:0{bits}b}"[::-1], 2) for i in range(n)])


def _split(t: Tables, n: int, re: np.ndarray, im: np.ndarray):
    """Turn the half-size complex DFT into the real signal's bins 0..n/2."""
    half = n // 2
    k = np.arange(half // 2 + 1)
    a, b = k % half, (half - k) % half
    even_re, even_im = (re[..., a] + re[..., b]) >> 1, (im[..., a] - im[..., b]) >> 1
    odd_re, odd_im = (im[..., a] + im[..., b]) >> 1, (re[..., b] - re[..., a]) >> 1
    odd_re, odd_im = rotate(odd_re, odd_im, *_cos_sin(t, n, k))
    out_re = np.empty((*re.shape[:-1], half + 1), np.int64)
    out_im = np.empty_like(out_re)
    out_re[..., half - k], out_im[..., half - k] = even_re - odd_re, odd_im - even_im
    out_re[..., k], out_im[..., k] = even_re + odd_re, even_im + odd_im
    return out_re, out_im


def bit_length(x: np.ndarray) -> np.ndarray:
    """Return the number of bits of non-negative integers below 2^53."""
    return np.frexp(x.astype(np.float64))[1].astype(np.int64) * (x > 0)


def power(re: np.ndarray, im: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (mantissa <= 2^29, shift): the power is mantissa << (2 * shift)."""
    shift = np.maximum(0, bit_length(np.maximum(np.abs(re), np.abs(im))) - 14)
    re, im = re >> shift, im >> shift
    return re * re + im * im, shift


def log2(t: Tables, x: np.ndarray) -> np.ndarray:
    """Return log2 of 1 <= x < 2^31 in units of 2^-16: leading zeros, a table of 64 steps, linear interpolation between them."""
    exponent = np.maximum(bit_length(x) - 1, 0)
    fraction = ((x << (30 - exponent)) - (1 << 30)) >> 14  # 16 bits below the leading one
    i, rest = fraction >> 10, fraction & 1023
    return (exponent << LOG2_BITS) + t.log2[i] + (((t.log2[i + 1] - t.log2[i]) * rest) >> 10)


LEVEL_BITS = 9  # a band's level is an int16 in units of 2^-9 of a doubling of power, 0.003 dB
LEVEL_OFFSET = 42  # doublings subtracted, so that every level fits


def bands(fe: Frontend, t: Tables, mantissa: np.ndarray, shift: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Return the level of each band, log2 of its power up to a constant, in units of 2^-9; (..., bands)."""
    out = np.empty((*mantissa.shape[:-1], fe.bands), np.int64)
    at = 0
    for b in range(fe.bands):
        first, count = t.first[b], t.count[b]
        w = t.weights[at : at + count]
        at += count
        m, s = mantissa[..., first : first + count], shift[..., first : first + count]
        top = s.max(axis=-1, initial=0)
        m = m >> np.minimum(31, 2 * (top[..., None] - s))
        extra = np.maximum(0, bit_length(m.max(axis=-1, initial=0)) - 15)
        total = (((m >> extra[..., None]) * w) >> 8).sum(axis=-1)
        doublings = extra + 2 * top + 2 * moved - LEVEL_OFFSET
        level = (log2(t, np.maximum(total, 1)) >> (LOG2_BITS - LEVEL_BITS)) + (doublings << LEVEL_BITS)
        out[..., b] = np.where(total > 0, np.maximum(level, t.silence), t.silence)
    return out


def resting_level(cut: np.ndarray) -> np.ndarray:
    """Return the constant value of each frame's middle half, 0 where it is not constant: frames (..., n) -> (...,).

    Fade-outs end in a constant of a few steps. It is subtracted before the window, and add_level puts it back as the two lines of
    the spectrum that it is: passed through tables of 16 and 17 bits it would leave noise 115 dB down in bins that should be empty.
    """
    n = cut.shape[-1]
    middle = cut[..., n // 4 : 3 * n // 4]
    return np.where((middle == middle[..., :1]).all(axis=-1), middle[..., 0], 0)


def add_level(level: np.ndarray, moved: np.ndarray, n: int, re, im, mantissa, shift) -> None:
    """Put the Hann-windowed constant back, changing the powers (mantissa, shift) in place.

    Adds n / 2 * level to bin 0 and subtracts half of it from bin 1. level, moved (...,): of each frame. re, im: its spectrum
    without the constant, in units of 2^moved.
    """
    at = np.nonzero(level)
    for k, sign in ((0, 1), (1, -1)):
        unit = (n // 2).bit_length() + 2 - k - moved[at]  # of the constant (16 bits of window less 13), relative to the frame's
        up = np.maximum(unit, 0)
        constant = (sign * level[at] << 13) >> np.maximum(-unit, 0)
        mantissa[(*at, k)], more = power((re[(*at, k)] >> up) + constant, im[(*at, k)] >> up)
        shift[(*at, k)] = more + up


def normalised(fe: Frontend, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return windowed frames (..., n_fft), each shifted until its largest value has frame_bits, and each frame's right shift.

    A negative shift is to the left. A frame that is quiet beside a loud one, or whose only sound is at its edge, thus keeps its
    precision.
    """
    shift = bit_length(np.abs(y).max(axis=-1)) - frame_bits(fe)
    right, left = np.maximum(shift, 0)[..., None], np.maximum(-shift, 0)[..., None]
    return ((y << left) + (1 << right >> 1)) >> right, shift


def levels(fe: Frontend, t: Tables, pcm: np.ndarray) -> np.ndarray:
    """Turn windows of int16 (N, window) into levels of the bands, (N, frames, bands)."""
    n = fe.n_fft
    cut = frames(fe, pcm.astype(np.int64))
    level = resting_level(cut)
    hann = t.hann[np.minimum(np.arange(n), n - np.arange(n))]
    x, moved = normalised(fe, (cut - level[..., None]) * hann)
    re, im = dft(t, n, x)
    mantissa, shift = power(re, im)
    add_level(level, moved, n, re, im, mantissa, shift)
    return bands(fe, t, mantissa, shift, moved)


def scale(fe: Frontend, exponent: int) -> Scale:
    """Return the scale for an input plane in units of 2^-exponent, input batch norm included.

    Raises L3Error if it does not fit 32 bits.
    """
    decibels = 5 * np.log10(2) / 2**LEVEL_BITS  # a level step; 5, not 10: the published log-mel takes the square root first
    floor = int(np.round(-fe.dynamic_range / decibels))
    unit = decibels * fe.norm_scale * 2.0**exponent
    shift = int(np.clip(14 - np.floor(np.log2(max(abs(unit), 2**-20))), 0, 24))
    offset = int(np.round(fe.norm_shift * 2.0 ** (exponent + shift))) + (1 << shift >> 1)
    result = Scale(max(floor, -32768), int(np.round(unit * 2.0**shift)), offset, shift)
    if abs(result.floor * result.factor) + abs(offset) >= 2**31:
        raise L3Error("cannot calibrate: the input normalisation does not fit 32 bits")
    return result


def plane(fe: Frontend, t: Tables, s: Scale, pcm: np.ndarray) -> np.ndarray:
    """Turn windows of int16 (N, window) into the network's int16 input (N, frames, bands), as int64."""
    level = levels(fe, t, pcm)
    d = np.maximum(level - level.max(axis=(1, 2), keepdims=True), s.floor)
    return np.clip((d * s.factor + s.offset) >> s.shift, -32768, 32767)
