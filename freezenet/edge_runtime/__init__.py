"""What runs on the device: read an image, run the model, answer.

Imports nothing but NumPy, OpenCV and a TFLite interpreter, and each of them only when it is needed.
"""
