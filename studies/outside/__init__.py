"""What holds outside the training's sources: figures of finished cross-validations, and of model files on other sources."""
