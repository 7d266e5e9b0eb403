"""Post-training quantization: which integers stand for which values, chosen on calibration images."""
