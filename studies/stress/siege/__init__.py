"""A server under attack: files that are slow or large to decode, sockets that do nothing, clients that do not read.

    python -m studies.stress.siege MODEL IMAGE... [--workers 2] [--seconds 20] [--sockets 1250] [--json] [--out results]

A server of its own is started on a free port. Two attackers for each worker send the files of `pictures` and `documents`, one
after the other, while good clients ask beside them; then sockets are opened that send nothing, and clients ask for overlays that they do
not read, and good clients ask again. At the end SIGTERM comes while the attackers are at it. Memory is that of the server and
its processes together (Pss in /proc), so Linux is required.
"""
