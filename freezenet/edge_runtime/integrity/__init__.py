"""Whether a model file is the one that was shipped: hashes, signature, golden vectors."""
