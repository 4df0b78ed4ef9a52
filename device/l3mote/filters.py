"""Coefficients of the capture's two filters, computed in whole numbers: every board and the host get the same bits.

lowpass() is a Kaiser-windowed sinc for decimation by a whole factor. weighting() is the A-weighting of IEC 61672-1 as a chain of
first-order sections. What runs them: kernels/capture.py.
"""

from array import array

ONE = 1 << 40  # fixed point of everything here; Python's integers have room
PI = 3454217652358  # times ONE
HALF_TAPS = 20  # on each side of the middle, for each unit of the decimation factor
KAISER = 6 * ONE  # beta: 63 dB of stop-band attenuation before rounding (Kaiser 1974)
UNITY = 32768  # sum of the low-pass's coefficients, but for rounding

# Poles of A-weighting in thousandths of a hertz (IEC 61672-1, annex E): the first and the last are double.
POLES = (20599, 107653, 737862)
HIGH_POLE = 12194217
SECTION = 2048  # the coefficient of a section is less: 11 bits
LAG = 11  # bits of the low pass's coefficients


def times(a, b):
    return a * b // ONE


def series(x, divisor):
    """1 + x / d(1) + x^2 / (d(1) d(2)) + ...: the form of sines, exponentials and Bessel functions."""
    term, total, k = ONE, ONE, 1
    while term and term != -1:  # -1 is what a negative number is rounded down to
        term = times(term, x) // divisor(k)
        total += term
        k += 1
    return total


def sinc(x):
    """sin(x) / x."""
    return series(-times(x, x), lambda k: 2 * k * (2 * k + 1))


def bessel(x):
    """I0(x)."""
    return series(times(x, x) // 4, lambda k: k * k)


def exponential(x):
    """e^-x, for x >= 0."""
    halvings = 0
    while x > ONE:
        x >>= 1
        halvings += 1
    y = series(-x, lambda k: k)
    for _ in range(halvings):
        y = times(y, y)
    return y


def root(x):
    """Square root, by Newton's steps from above."""
    if x <= 0:
        return 0
    r = max(x, ONE)
    x *= ONE
    while True:
        better = (r + x // r) >> 1
        if better >= r:
            return r
        r = better


def rounded(a, b):
    """a / b to the nearest whole number, b > 0."""
    return (2 * a + b) // (2 * b)


def lowpass(factor):
    """Coefficients, array('h'), of the filter before every factor-th sample is kept: 40 for each unit of the factor, symmetric.

    In units of the lower rate: ripple within 0.02 dB up to 0.45, lowered by 60 dB from 0.55 on. What is between 0.5 and 0.55
    folds back to between 0.5 and 0.45, lowered by 6 to 60 dB.
    """
    half = HALF_TAPS * factor
    taps = []
    for i in range(half):
        x = ONE * (2 * i + 1) // (2 * half - 1)  # the middle is 0, the last coefficient 1
        angle = PI * (2 * i + 1) // (2 * factor)
        turned = (angle + PI) % (2 * PI) - PI  # the series converges for small angles
        ideal = times(sinc(turned), turned) * ONE // angle
        taps.append(times(ideal, bessel(times(KAISER, root(ONE - times(x, x))))))
    total = 2 * sum(taps)
    taps = [rounded(UNITY * v, total) for v in taps]
    return array("h", taps[::-1] + taps)


def weighting(rate):
    """Coefficients of A-weighting at a rate in Hz, array('i') of 9.

    Three pairs (a, shift), high passes: level += (x - level) * a / 2^shift, y = x - level; the first runs twice. Then p, b0, b1
    in 2^-LAG, a low pass that runs twice: y = p y' + b0 x + b1 x'. High passes have the poles of the analogue ones (matched z);
    the low pass has the analogue gain at 0, a fifth and two fifths of the rate. Up to 0.45 of the rate, 0.25 dB off at most.
    """
    high_passes = []
    for f in POLES:
        a, shift = ONE - exponential(2 * PI * f // (1000 * rate)), 0  # 1 less the place of the pole
        while rounded(a << (shift + 1), ONE) < SECTION:
            shift += 1
        high_passes += [rounded(a << shift, ONE), shift]
    return array("i", high_passes + lag(rate))


def lag(rate):
    """p, b0, b1 of the low pass: its gain squared is (1 - b c) / (1 + a c), where c = 1 - cos(angle)."""
    fifth, gains = root(5 * ONE), []
    turns = ONE - (fifth - ONE) // 4, ONE + (fifth + ONE) // 4  # c at 72 and 144 degrees
    for k in (200, 400):
        ratio = ONE * k * rate // HIGH_POLE
        gains.append(ONE * ONE // (ONE + times(ratio, ratio)))
    lost = [(ONE - gains[i]) * ONE // turns[i] for i in (0, 1)]
    a = (lost[0] - lost[1]) * ONE // (gains[0] - gains[1])
    b = lost[0] - times(gains[0], a)
    p = a * ONE // (ONE + a + root(ONE + 2 * a))
    b0 = times(ONE - p, ONE + root(ONE - 2 * b)) // 2
    p, b0 = rounded(p << LAG, ONE), rounded(b0 << LAG, ONE)
    return [p, b0, (1 << LAG) - p - b0]
