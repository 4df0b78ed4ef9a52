"""How far two implementations may differ: the one place. Host tests, the parity report and the self-test read it."""

LAYER_RELATIVE = 1e-5  # float kernels against the reference, of the layer's largest magnitude, both fed the same plane
MEL_DB = 1e-3  # log-mel of a broadband sound, double precision against the published package
EMBEDDING = 1e-3  # absolute, broadband (values reach 130)
EMBEDDING_TONE = 0.03  # absolute, pure tones: nearly empty bins amplify DFT noise
SCORE = 1e-3  # absolute, softmax or sigmoid outputs, front-end included
SELFTEST_RELATIVE = 1e-3  # self-test output, of its largest magnitude, front-end included
FIXED_COSINE = 0.9999  # smallest cosine between the fixed-point embedding and the float one, over windows with sound
