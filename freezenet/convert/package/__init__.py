"""What a model file carries and travels in: card, metadata, golden vectors, signature, hub folder."""
