"""Quantization-aware training: the variant `int8-qat`, in a process of its own."""
