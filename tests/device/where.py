"""Where the tests' files are: this folder, whatever runs them."""

FOLDER = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
SMALL = FOLDER + "/small.l3m"
