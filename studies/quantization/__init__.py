"""Which post-training technique earns its place in the int8 file: every one of them on the same trained runs.

    python -m studies.quantization RUN... [--arms LIST] [--out results] [--json]

RUN is a folder of `freezenet train`; several seeds of one recipe on one data set give means. Each arm (`arms`) is an int8 file of
the network as trained, measured (`measure`) through the edge runtime against the float32 file of the same run. The validation
split is for choosing; the test split is reported beside it.
"""
