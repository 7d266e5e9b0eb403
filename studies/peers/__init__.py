"""From a file to the answer: this runtime beside the other ways to run the same network, on the same files."""
