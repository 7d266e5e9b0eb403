"""Damaged image and model files against the promise: always an answer or one sentence.

    python -m studies.stress.fuzz MODEL [--inputs 50000] [--seed 0] [--out DIR] [--json]
    python -m studies.stress.fuzz MODEL --seed 0 --only N --out DIR       # make input N again, keep it and run it

A corpus of small drawn files (`corpus`), seeded changes to them (`mutation`, `fields`), a process that is given one
after the other (`worker`), and its watch (`watch`).
"""
