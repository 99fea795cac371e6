"""Collectives (all-reduce, all-gather, broadcast) of the processes that train one network together."""
