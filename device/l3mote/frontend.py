"""Log-mel on the device in floats: PCM -> the network's input (rows = time, columns = bands). Definition: FORMAT.md, FRONTEND."""

import math
from array import array

from l3mote.format import SCALE_MEL

DB = 5 / math.log(10)  # 10 log10 of a square root, from a natural logarithm


def mel_edges(fe):
    """Return the corner frequencies in Hz of the bands' triangles, bands + 2 of them, evenly spaced on the HTK mel scale."""
    low = math.log(1 + fe.fmin / 700)
    step = (math.log(1 + fe.fmax / 700) - low) / (fe.bands + 1)
    return [700 * (math.exp(low + i * step) - 1) for i in range(fe.bands + 2)]


class LogMel:
    """spectrum: a kernel's Spectrum for fe.n_fft."""

    def __init__(self, fe, spectrum):
        self.fe = fe
        self.spectrum = spectrum
        self.first = array("H")
        self.count = array("H")
        self.weights = spectrum.table(self._triangles() if fe.scale == SCALE_MEL else array("f"))

    def _triangles(self):
        """Fill first and count, each band's DFT bins, and return the bands' weights one after the other."""
        fe = self.fe
        hz = fe.sample_rate / fe.n_fft  # of one DFT bin
        edges = mel_edges(fe)
        for b in range(fe.bands):
            first, last = int(edges[b] / hz) + 1, min(int(edges[b + 2] / hz), fe.n_fft // 2)
            self.first.append(first)
            self.count.append(max(0, last - first + 1))
        weights = array("f", bytes(4 * sum(self.count)))
        at = 0
        for b in range(fe.bands):
            low, middle, high = edges[b], edges[b + 1], edges[b + 2]
            for k in range(self.first[b], self.first[b] + self.count[b]):
                triangle = min((k * hz - low) / (middle - low), (high - k * hz) / (high - middle))
                weights[at] = max(0.0, triangle) * 2 / (high - low)
                at += 1
        return weights

    def frame(self, pcm, start, levels, at):
        """Write the dB of the frame that begins at sample `start` of pcm to levels, from element `at` on; return the largest."""
        fe, spectrum = self.fe, self.spectrum
        spectrum.compute(pcm, start)
        least = fe.floor * fe.floor
        loudest = -1e30
        w = 0
        for b in range(fe.bands):
            if fe.scale == SCALE_MEL:
                power = spectrum.dot(self.first[b], self.count[b], self.weights, w)
                w += self.count[b]
            else:
                power = spectrum.power(b)
            db = DB * math.log(max(power, least))
            levels[at + b] = db
            loudest = max(loudest, db)
        return loudest

    def normalise(self, levels, at, pitch, plane, first, rows, loudest):
        """Put rows of dB into the plane's rows from `first` on: relative to the loudest, clipped, then the input batch norm."""
        fe, data = self.fe, plane.flat
        to = (first + 1) * plane.pitch + 1
        for _ in range(rows):
            for b in range(fe.bands):
                data[to + b] = max(levels[at + b] - loudest, -fe.dynamic_range) * fe.norm_scale + fe.norm_shift
            at += pitch
            to += plane.pitch
