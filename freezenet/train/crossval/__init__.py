"""Cross-validation: folds, their figures, tests between recipes."""
