"""Gray values of every format against independent readers.

    python -m studies.stress.gray_values FOLDER... [--files 700] [--out results]

X-rays are written in every kind of every format, and each file is read by this project and by Pillow, tifffile or DCMTK.
"""
