"""From the Keras network to a float `.tflite` file, and such a file as a graph that can be read and changed."""
