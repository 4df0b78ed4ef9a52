"""The .l3m file: load, describe, finish (round, calibrate, note what was done) and write."""
