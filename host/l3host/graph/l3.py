"""L3's audio network (Cramer et al., ICASSP 2019): filters of its convolutions, and which of them are pooled."""

L3_FILTERS = (64, 64, 128, 128, 256, 256, 512, 512)  # Table I
POOLED = (2, 4, 6)  # convolutions that a 2x2 max-pool follows; the last one's pool takes the whole plane
