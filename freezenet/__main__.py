"""`python -m freezenet`: the command, with no module of the current folder in the place of another."""

import os
import sys

# Python put the current folder first; a queue.py or numbers.py that lies there is the user's own business.
if sys.path and os.path.abspath(sys.path[0] or ".") == os.getcwd():
    sys.path.append(sys.path.pop(0))

from freezenet.cli import main

if __name__ == "__main__":
    main()
