"""From scores to answers: temperature, thresholds, abstention, chosen on the validation split."""
