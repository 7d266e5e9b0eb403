"""What runs on the device: read an image, run the model, answer.

Imports nothing but NumPy, OpenCV and a TFLite interpreter, and each of them only when it is needed.
"""

from __future__ import annotations

import os

from freezenet.edge_runtime.images.limits import MAX_PIXELS, OPENCV_LIMIT

# Here, because it must be set before the first import of OpenCV, whichever module makes it.
os.environ.setdefault(OPENCV_LIMIT, str(MAX_PIXELS))
