"""`python -m freezenet`: the command, with no module of the current folder in the place of another."""

import os
import sys

# Python put the current folder first; a queue.py or numbers.py that lies there is the user's own business. What is searched
# instead, last, is the folder of this package, for a clone that is not installed.
if sys.path and os.path.abspath(sys.path[0] or ".") == os.getcwd():
    del sys.path[0]
    sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from freezenet.cli import main

if __name__ == "__main__":
    main()
