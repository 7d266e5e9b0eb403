"""What a reviewer asks beyond accuracy: what probabilities are worth, where a model is worst, and the curves to see it by."""
