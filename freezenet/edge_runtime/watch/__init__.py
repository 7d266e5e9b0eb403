"""A watched folder: every finished file that arrives in it is answered exactly once, across restarts and kills.

`Watcher` is the engine. It needs no command line: what receives images over a network puts them into the inbox and gives
the engine a delivery of its own. Nothing here is heavier than the base install.
"""
