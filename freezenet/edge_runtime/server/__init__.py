"""`freezenet serve`: one model behind HTTP, and a web page for people."""
