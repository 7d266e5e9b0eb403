"""Fitting: batches, augmentation, phases, schedules, checkpoints."""
