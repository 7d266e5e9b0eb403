"""Do the model files open in the clients that people really use, and do they give the promised numbers there?

    python -m studies.clients MODELS [--json] [--out results] [--client LIST]

Each client is installed into a cache folder of its own and runs in a process of its own.
"""
