"""The frozen backbone, computed once: where the network is cut, and the cache of what lies below."""
