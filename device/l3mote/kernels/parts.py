"""Parts of a strip that stay in a data cache, for planes in memory that costs time: an ESP32's PSRAM.

Every filter of a chunk reads its strip anew. A strip taller or wider than the cache comes from the PSRAM each time; a part of it
that fits comes once for all the chunk's filters.
"""

NEAR = 24 * 1024  # bytes of a part: three quarters of the data cache of 32 kB that ESP-IDF sets up
LINE = 32  # bytes that come together
LEAST = 32  # pixels of a part: its weights are decoded anew, which takes as long as summing some ten pixels


def row_bytes(columns):
    """Return the bytes of the lines that a row of int16 and a pixel at both ends stand in, on average."""
    return (2 * (columns + 2) + LINE + LINE // 2 - 2) // LINE * LINE


def part_bytes(channels, rows, columns):
    """Return the bytes that the cache holds of a part, with a border of one pixel."""
    return channels * (rows + 2) * row_bytes(columns)


def size(channels, rows, columns, pool_rows, pool_columns):
    """Return (rows, columns) of a strip's parts, whole groups of the pool; the strip's own where parts do not pay."""
    best, part = LEAST - 1, (rows, columns)
    if part_bytes(channels, rows, columns) <= NEAR:
        return part
    for width in (columns, 64, 32, 16, 8):
        width = min(width, columns) // pool_columns * pool_columns
        height = min(NEAR // channels // row_bytes(width) - 2, rows) // pool_rows * pool_rows
        if height * width > best:
            best, part = height * width, (height, width)
    return part


def parts(channels, first, stop, columns, pool_rows, pool_columns):
    """Yield (first row, stop row, first column, stop column) of each part of rows first..stop-1. A group of the pool that an
    earlier strip began is a part's first row."""
    height, width = size(channels, stop - first, columns, pool_rows, pool_columns)
    row = first
    while row < stop:
        end = min((row + height) // pool_rows * pool_rows, stop) if row + height < stop else stop
        for column in range(0, columns, width):
            yield row, end, column, min(column + width, columns)
        row = end
