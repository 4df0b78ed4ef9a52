"""The integer kernels in viper: int16 activations, int32 sums, on stock firmware of any architecture with a native emitter.

Specification, bit for bit: host/l3host/reference/fixed_point.py and fixed_mel.py. `p` is an array of int32 parameters, whose slots
each function names. Activations are loaded unsigned where a ReLU made them, which saves an instruction or two in the inner loop.

A viper integer is a machine word: 32 bits on boards, 64 on a PC, where loads through ptr32 do not extend the sign. So what may be
negative goes through ((v & mask) ^ sign) - sign, with sign = 2^31 and mask = 2^32 - 1 made from a variable: no constant that big
is allowed. On 32 bits it changes nothing.

No store has a constant index but 0: MicroPython 1.25's Xtensa emitter stores the wrong register at 1 to 255.
"""

import micropython

from l3mote.kernels.integer import frontend_bytes, plane_bytes, workspace
from l3mote.kernels.loops import IntegerLogMel, Loops
from l3mote.reader import check

name = "viper"
arithmetic = "fixed"
itemsize = 2
block_bytes = plane_bytes
locates = False


@micropython.viper
def decode(v: ptr16, t: ptr32, w: int, p: ptr32) -> int:
    """Decode one filter's weights, in chunk v, to (byte offset, int16 weight) pairs in t; return where its positions end, or < 0
    for bad data. The first three locals live in registers; w comes in as 0."""
    # p: 0 position code, 1 values, 2 positions, 3 count, 4 shift, 5 taps, 6 pitch (0: dense layer), 7 channel size,
    # 8 end of positions, 9 palette (0: values are float16)
    code = int(p[0])
    start = int(v)
    gaps = ptr8(start + int(p[2]))
    gaps_end = start + int(p[8])
    half = -1  # the second gap of a byte of two
    bitmap_end = int(gaps) + ((int(p[5]) + 7) >> 3)
    if code == 3 and bitmap_end > gaps_end:
        return -1
    palette = 0
    if p[9]:
        palette = start + int(p[9])
    at = start + int(p[1])
    end = int(t) + 8 * int(p[3])
    left = int(p[5])  # taps from this one on
    up = int(p[4]) - 25
    down = 2 * int(p[6])
    size = 2 * int(p[7])
    base = 0  # of the channel
    tap = -1  # of the channel, or of the dense layer
    while int(t) != end:
        tap += 1
        left -= 1
        if code == 1:
            w = 255
            while w == 255:
                if int(gaps) >= gaps_end:
                    return -1
                w = gaps[0]
                gaps = ptr8(int(gaps) + 1)
                tap += w
                left -= w
        elif code == 2:
            w = 15
            while w == 15:
                if half >= 0:
                    w = half
                    half = -1
                else:
                    if int(gaps) >= gaps_end:
                        return -1
                    w = gaps[0]
                    gaps = ptr8(int(gaps) + 1)
                    half = w >> 4
                    w &= 15
                tap += w
                left -= w
        elif code == 3:
            w = int(p[5]) - 1 - left
            while left >= 0 and ((gaps[w >> 3] >> (w & 7)) & 1) == 0:
                w += 1
                tap += 1
                left -= 1
        if left < 0:
            return -1
        if down:
            while tap >= 9:
                tap -= 9
                base += size
            w = base + tap + tap
            if tap >= 6:
                w += down + down - 12
            elif tap >= 3:
                w += down - 6
            t[0] = w
        else:
            t[0] = tap + tap
        t = ptr32(int(t) + 4)
        if palette:
            index = ptr8(at)
            v = ptr16(palette + 2 * index[0])
            at += 1
        else:
            v = ptr16(at)
            at += 2
        bits = v[0]
        w = (bits >> 10) & 31
        s = w + up
        if w == 0 or w == 31 or s > 4:
            if (bits & 0x7FFF) != 0:
                return -2
            w = 0
        else:
            w = (bits & 1023) + 1024
            if bits & 0x8000:
                w = 0 - w
            if s >= 0:
                w <<= s
            elif s < -12:
                w = 0
            else:
                w = ((w >> (-1 - s)) + 1) >> 1
        t[0] = w
        t = ptr32(int(t) + 4)
    if code == 3:
        return bitmap_end - start
    return int(gaps) - start


@micropython.viper
def conv_rows(q: ptr16, t: ptr32, w: int, p: ptr32):
    """Compute rows of one filter from plane q: sum, shift with rounding, saturate. The results follow the taps in t.

    Eight pixels share each tap, four where the input has a sign. Only the first three locals live in registers: those that the
    inner loops use most: a pixel's address, a tap's, a weight (which comes in as 0).
    """
    # p: 0 taps, 1 first element, 2 rows, 3 columns, 4 pitch, 5 bias, 6 shift, 7 least, 8 most, 9 signed input, 10 results,
    # 11-18 sums of a block
    one = 1
    sign = one << 31
    mask = (sign << 1) - 1
    x = int(q) + 2 * int(p[1])
    list = int(t)
    end = list + 8 * int(p[0])
    out = ptr16(list + 4 * int(p[10]))
    sums = int(p) + 44
    columns = int(p[3])
    bias = int(p[5]) + ((1 << int(p[6])) >> 1)
    shift = int(p[6])
    least = ((int(p[7]) & mask) ^ sign) - sign
    most = int(p[8])
    flip = 0
    if p[9]:
        flip = 0x8000  # (v ^ flip) - flip is v with its sign
    width = 8
    if columns < 8 or flip:
        width = 4
    if columns < 4:
        width = 1
    row = 0
    while row < p[2]:
        column = 0
        while column < columns:
            if column > columns - width:
                column = columns - width  # the last block overlaps the one before
            at = x + 2 * column
            t = ptr32(list)
            a = bias
            b = bias
            c = bias
            d = bias
            if width == 8:
                e = bias
                f = bias
                g = bias
                h = bias
                while int(t) != end:
                    q = ptr16(at + t[0])
                    w = t[1]
                    a += w * q[0]
                    b += w * q[1]
                    c += w * q[2]
                    d += w * q[3]
                    e += w * q[4]
                    f += w * q[5]
                    g += w * q[6]
                    h += w * q[7]
                    t = ptr32(int(t) + 8)
                t = ptr32(sums + 16)
                t[0] = e
                t = ptr32(int(t) + 4)
                t[0] = f
                t = ptr32(int(t) + 4)
                t[0] = g
                t = ptr32(int(t) + 4)
                t[0] = h
            elif width == 4:
                while int(t) != end:
                    q = ptr16(at + t[0])
                    w = t[1]
                    a += w * ((q[0] ^ flip) - flip)
                    b += w * ((q[1] ^ flip) - flip)
                    c += w * ((q[2] ^ flip) - flip)
                    d += w * ((q[3] ^ flip) - flip)
                    t = ptr32(int(t) + 8)
            else:
                while int(t) != end:
                    q = ptr16(at + t[0])
                    w = t[1]
                    a += w * ((q[0] ^ flip) - flip)
                    t = ptr32(int(t) + 8)
            t = ptr32(sums)
            t[0] = a
            t = ptr32(int(t) + 4)
            t[0] = b
            t = ptr32(int(t) + 4)
            t[0] = c
            t = ptr32(int(t) + 4)
            t[0] = d
            t = ptr32(sums)
            j = 0
            while j < width:
                a = (((int(t[0]) & mask) ^ sign) - sign) >> shift
                t = ptr32(int(t) + 4)
                if a < least:
                    a = least
                if a > most:
                    a = most
                out[column] = a
                column += 1
                j += 1
        x += 2 * int(p[4])
        out = ptr16(int(out) + 2 * columns)
        row += 1


@micropython.viper
def pool(rows: ptr16, out: ptr16, p: ptr32):
    """Take the maximum of each group of columns, and of what is there unless a row is the first of its group."""
    # p: 0 rows, 1 columns, 2 pool rows, 3 pool columns, 4 row within its group, 5 first element, 6 pitch, 7 columns out
    within = int(p[4])
    to = int(p[5])
    y = 0
    while y < p[0]:
        x = 0
        while x < p[7]:
            at = y * int(p[1]) + x * int(p[3])
            best = -32768
            k = 0
            while k < p[3]:
                v = (int(rows[at + k]) ^ 0x8000) - 0x8000
                if v > best:
                    best = v
                k += 1
            if within:
                v = (int(out[to + x]) ^ 0x8000) - 0x8000
                if v > best:
                    best = v
            out[to + x] = best
            x += 1
        within += 1
        if within == p[2]:
            within = 0
            to += int(p[6])
        y += 1


@micropython.viper
def load_frame(pcm: ptr16, z: ptr32, hann: ptr16, p: ptr32) -> int:
    """Load one frame's windowed samples less their resting level, which goes to p[4], shifted until the largest has p[3] bits.

    Returns the right shift. Outside pcm: zero.
    """
    # p: 0 n_fft, 1 first sample, 2 samples, 3 bits
    one = 1
    sign = one << 31
    mask = (sign << 1) - 1
    n = int(p[0])
    start = ((int(p[1]) & mask) ^ sign) - sign
    level = 0
    i = start + (n >> 2)
    stop = i + (n >> 1)
    if i >= 0 and stop <= p[2]:
        level = int(pcm[i])
        while i < stop and int(pcm[i]) == level:
            i += 1
        level = (level ^ 0x8000) - 0x8000 if i == stop else 0
    resting = ptr32(int(p) + 16)
    resting[0] = level
    loudest = 0
    i = 0
    while i < n:
        v = 0
        s = start + i
        if s >= 0 and s < p[2]:
            v = (int(pcm[s]) ^ 0x8000) - 0x8000
        v -= level
        v = v * int(hann[i]) if i <= n - i else v * int(hann[n - i])
        z[i] = v
        if v < 0:
            v = 0 - v
        loudest |= v
        i += 1
    shift = 0 - int(p[3])
    while loudest:
        loudest >>= 1
        shift += 1
    i = 0
    while i < n:
        v = ((int(z[i]) & mask) ^ sign) - sign
        if shift > 0:
            z[i] = (v + ((1 << shift) >> 1)) >> shift
        else:
            z[i] = v << (0 - shift)
        i += 1
    return shift


@micropython.viper
def dft(z: ptr32, cos: ptr32, n: int):
    """Transform n / 2 complex points in place, radix 2, decimation in frequency: bins come out in bit-reversed order."""
    one = 1
    sign = one << 31
    mask = (sign << 1) - 1
    quarter = n >> 2
    size = n >> 1
    stride = 2
    while size > 1:
        half = size >> 1
        k = 0
        while k < half:
            turn = k * stride
            c = int(cos[turn]) if turn <= quarter else 0 - int(cos[(n >> 1) - turn])
            s = int(cos[quarter - turn]) if turn <= quarter else int(cos[turn - quarter])
            i = k
            while i < (n >> 1):
                a = 2 * i
                b = a + size
                re = (((int(z[a]) - int(z[b])) & mask) ^ sign) - sign
                im = (((int(z[a + 1]) - int(z[b + 1])) & mask) ^ sign) - sign
                z[a] = int(z[a]) + int(z[b])
                z[a + 1] = int(z[a + 1]) + int(z[b + 1])
                if k:
                    z[b] = ((re >> 13) * c + (im >> 13) * s + (((re & 0x1FFF) * c >> 13) + ((im & 0x1FFF) * s >> 13)) + 8) >> 4
                    z[b + 1] = ((im >> 13) * c - (re >> 13) * s + (((im & 0x1FFF) * c >> 13) - ((re & 0x1FFF) * s >> 13)) + 8) >> 4
                else:
                    z[b] = re
                    z[b + 1] = im
                i += size
            k += 1
        size = half
        stride <<= 1


@micropython.viper
def put_power(re: int, im: int, power: ptr32, shifts: ptr8, k: int):
    """Store re^2 + im^2 as mantissa << (2 * shift)."""
    a = re if re >= 0 else 0 - re
    b = im if im >= 0 else 0 - im
    if b > a:
        a = b
    shift = 0
    while a >= 16384:
        a >>= 1
        shift += 1
    re = re >> shift
    im = im >> shift
    power[k] = re * re + im * im
    shifts[k] = shift


@micropython.viper
def put_line(re: int, im: int, power: ptr32, shifts: ptr8, k: int, p: ptr32):
    """Store bin 0 or 1 with the Hann-windowed resting level added back. p: as in spectrum()."""
    one = 1
    sign = one << 31
    mask = (sign << 1) - 1
    level = ((int(p[1]) & mask) ^ sign) - sign
    moved = ((int(p[2]) & mask) ^ sign) - sign
    unit = int(p[0]) + 3 - k - moved  # of the level in 13 bits more, against the frame's
    level = level << 13 if k == 0 else 0 - (level << 13)
    up = 0
    if unit >= 0:
        up = unit
    else:
        level = level >> (0 - unit)
    put_power((re >> up) + level, im >> up, power, shifts, k)
    shifts[k] = int(shifts[k]) + up


@micropython.viper
def spectrum(z: ptr32, cos: ptr32, power: ptr32, shifts: ptr8, p: ptr32):
    """Compute bins 0..n/2 of the real signal from the half-size complex one, as powers."""
    # p: 0 log2 of n / 2, 1 resting level, 2 right shift of the frame
    one = 1
    sign = one << 31
    mask = (sign << 1) - 1
    half = 1 << int(p[0])
    quarter = half >> 1
    a = 0
    b = 0
    k = 0
    while k <= quarter:
        ar = ((int(z[2 * a]) & mask) ^ sign) - sign
        ai = ((int(z[2 * a + 1]) & mask) ^ sign) - sign
        br = ((int(z[2 * b]) & mask) ^ sign) - sign
        bi = ((int(z[2 * b + 1]) & mask) ^ sign) - sign
        even_re = (ar + br) >> 1
        even_im = (ai - bi) >> 1
        odd_re = (ai + bi) >> 1
        odd_im = (br - ar) >> 1
        if k:
            c = int(cos[k])
            s = int(cos[quarter - k])
            rl = odd_re & 0x1FFF
            il = odd_im & 0x1FFF
            odd_re = odd_re >> 13
            odd_im = odd_im >> 13
            rh = odd_re
            odd_re = (odd_re * c + odd_im * s + ((rl * c >> 13) + (il * s >> 13)) + 8) >> 4
            odd_im = (odd_im * c - rh * s + ((il * c >> 13) - (rl * s >> 13)) + 8) >> 4
        put_power(even_re - odd_re, odd_im - even_im, power, shifts, half - k)
        if k < 2 and int(p[1]) != 0:
            put_line(even_re + odd_re, even_im + odd_im, power, shifts, k, p)
        else:
            put_power(even_re + odd_re, even_im + odd_im, power, shifts, k)
        bit = quarter
        while a & bit:
            a ^= bit
            bit >>= 1
        a |= bit
        if k:
            bit = quarter
            while bit and not (b & bit):
                b ^= bit
                bit >>= 1
            b ^= bit
        else:
            b = half - 1
        k += 1


@micropython.viper
def level(power: ptr32, shifts: ptr8, weights: ptr16, p: ptr32) -> int:
    """Return the mantissa sum of one band; p[4] becomes its exponent. 0 for no power."""
    # p: 0 first bin, 1 bins, 2 first weight
    top = 0
    k = 0
    while k < p[1]:
        s = int(shifts[int(p[0]) + k])
        if s > top:
            top = s
        k += 1
    largest = 0
    k = 0
    while k < p[1]:
        d = 2 * (top - int(shifts[int(p[0]) + k]))
        if d > 31:
            d = 31
        largest |= int(power[int(p[0]) + k]) >> d
        k += 1
    extra = 0
    while largest >= 32768:
        largest >>= 1
        extra += 1
    total = 0
    k = 0
    while k < p[1]:
        d = 2 * (top - int(shifts[int(p[0]) + k]))
        if d > 31:
            d = 31
        total += (((int(power[int(p[0]) + k]) >> d) >> extra) * int(weights[int(p[2]) + k])) >> 8
        k += 1
    exponent = ptr32(int(p) + 16)
    exponent[0] = extra + 2 * top
    return total


@micropython.viper
def log2(x: int, table: ptr16) -> int:
    """Return log2 of 1 <= x < 2^31 in units of 2^-16."""
    one = 1  # 2^30 is not a small integer where a word has 32 bits, so it is made, not written
    exponent = 0
    v = x
    while v > 1:
        v >>= 1
        exponent += 1
    fraction = ((x << (30 - exponent)) - (one << 30)) >> 14
    i = fraction >> 10
    a = int(table[i])
    return (exponent << 16) + a + (((int(table[i + 1]) - a) * (fraction & 1023)) >> 10)


@micropython.viper
def levels(power: ptr32, shifts: ptr8, to: ptr16, tables) -> int:
    """Write one row of levels; return the largest."""
    # tables: (weights, first, count, log2, p, bands); p: 4 exponent, 5 element, 6 level offset of the frame, 8 silence
    weights = ptr16(tables[0])
    first = ptr16(tables[1])
    count = ptr16(tables[2])
    log2_table = tables[3]
    p = ptr32(tables[4])
    bands = int(tables[5])
    one = 1
    sign = one << 31
    mask = (sign << 1) - 1
    offset = ((int(p[6]) & mask) ^ sign) - sign
    silence = ((int(p[8]) & mask) ^ sign) - sign
    bins = ptr32(int(p) + 4)
    first_weight = ptr32(int(p) + 8)
    first_weight[0] = 0
    best = -32768
    b = 0
    while b < bands:
        p[0] = first[b]
        bins[0] = count[b]
        total = int(level(power, shifts, weights, p))
        v = silence
        if total:
            v = (int(log2(total, log2_table)) >> 7) + (int(p[4]) << 9) + offset
            if v < silence:
                v = silence
        to[int(p[5]) + b] = v
        if v > best:
            best = v
        first_weight[0] = int(first_weight[0]) + int(count[b])
        b += 1
    return best


@micropython.viper
def normalise_rows(levels: ptr16, plane: ptr16, scale: ptr32, p: ptr32):
    """Turn rows of levels into the network's input."""
    # scale: floor, factor, offset, shift; p: 0 rows, 1 columns, 2 first level, 3 its pitch, 4 first element of the plane, 5 its
    # pitch, 6 largest level
    one = 1
    sign = one << 31
    mask = (sign << 1) - 1
    floor = ((int(scale[0]) & mask) ^ sign) - sign
    loudest = ((int(p[6]) & mask) ^ sign) - sign
    y = 0
    while y < p[0]:
        at = int(p[2]) + y * int(p[3])
        to = int(p[4]) + y * int(p[5])
        x = 0
        while x < p[1]:
            d = ((int(levels[at + x]) ^ 0x8000) - 0x8000) - loudest
            if d < floor:
                d = floor
            v = d * int(scale[1]) + int(scale[2])
            v = (((v & mask) ^ sign) - sign) >> int(scale[3])
            if v > 32767:
                v = 32767
            if v < -32768:
                v = -32768
            plane[to + x] = v
            x += 1
        y += 1


@micropython.viper
def clear_rows(plane: ptr16, p: ptr32):
    # p: 0 channels, 1 channel size, 2 pitch, 3 first row, 4 rows
    n = int(p[4]) * int(p[2])
    at = int(p[3]) * int(p[2])
    c = 0
    while c < p[0]:
        i = 0
        while i < n:
            plane[at + i] = 0
            i += 1
        at += int(p[1])
        c += 1


@micropython.viper
def slide_rows(plane: ptr16, p: ptr32):
    """Move the rows from p[3] on to the top."""
    # p: as above
    n = int(p[4]) * int(p[2])
    skip = int(p[3]) * int(p[2])
    at = 0
    c = 0
    while c < p[0]:
        i = 0
        while i < n:
            plane[at + i] = int(plane[at + i + skip])
            i += 1
        at += int(p[1])
        c += 1


class Kernel(Loops):
    decode = staticmethod(decode)
    conv_rows = staticmethod(conv_rows)
    pool = staticmethod(pool)
    clear_rows = staticmethod(clear_rows)
    slide_rows = staticmethod(slide_rows)


class FrontEnd(IntegerLogMel):
    load_frame = staticmethod(load_frame)
    dft = staticmethod(dft)
    spectrum = staticmethod(spectrum)
    levels = staticmethod(levels)
    normalise_rows = staticmethod(normalise_rows)
