"""The Keras pipeline: data, splits, statistics, losses, model, cached fit, metrics."""
