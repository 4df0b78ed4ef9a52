"""Parts of strips that stay in a data cache: all of a strip once, no more than the cache holds, and what they save."""

import numpy as np

from l3mote.kernels.parts import NEAR, part_bytes, parts, size


def test_parts_of_a_plane_of_64_channels():
    """24 kB hold 12 lines of 32 bytes for each of 64 channels: 4 rows of 34 pixels or 6 of 18, which are 2 or 4 and a border."""
    assert NEAR == 24576 and size(64, 40, 256, 2, 2) == (2, 32)
    assert list(parts(64, 0, 6, 24, 2, 2)) == [(0, 4, 0, 16), (0, 4, 16, 24), (4, 6, 0, 16), (4, 6, 16, 24)]


def test_a_strip_that_fits_and_one_whose_parts_would_be_tiny_stay_whole():
    assert size(64, 4, 16, 2, 2) == (4, 16)
    assert size(64, 5, 16, 1, 1) == size(64, 4, 24, 1, 1) == (4, 16)
    assert size(128, 40, 256, 2, 2) == (40, 256)  # 16 pixels would fit
    assert size(512, 24, 32, 24, 32) == (24, 32)


def test_every_pixel_is_in_one_part_and_parts_end_with_groups_of_the_pool():
    rng = np.random.default_rng(5)
    some = 0
    for _ in range(500):
        channels, columns, first, rows = (int(rng.integers(1, most)) for most in (200, 140, 9, 60))
        pool_rows, pool_columns = int(rng.integers(1, 4)), int(rng.integers(1, 4))
        columns = columns // pool_columns * pool_columns or pool_columns
        seen, all_of_them = (
            np.zeros((rows, columns), int),
            list(parts(channels, first, first + rows, columns, pool_rows, pool_columns)),
        )
        for row, end, column, right in all_of_them:
            seen[row - first : end - first, column:right] += 1
            assert end == first + rows or end % pool_rows == 0
            assert row == first or row % pool_rows == 0
            assert (right - column) % pool_columns == 0 and column % pool_columns == 0
            assert len(all_of_them) == 1 or part_bytes(channels, end - row, right - column) <= NEAR
        assert (seen == 1).all()
        some += len(all_of_them) > 1
    assert some > 100
