"""From a Keras model to `.tflite` files that carry their card and have been checked against the original."""
