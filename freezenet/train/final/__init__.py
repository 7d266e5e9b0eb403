"""A final model: trained on all images, its answers chosen and judged on those of a cross-validation."""
