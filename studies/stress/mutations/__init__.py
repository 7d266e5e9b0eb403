"""Damaged and changed model files against the promise: one sentence, never a crash, and beside conversion.json no answer."""
