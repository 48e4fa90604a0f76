"""What answers with a fitted object: in training to check it, in a container to serve it.

A model's archive carries these files as `code/`, so they use pandas and Python's standard library only,
and import each other by their plain names as well as from this package.
"""
