"""Does the whole system come back by itself from whatever happens to its processes, and are its books right?

`make chaos`, or `python -m tests.chaos`. Start reading at `round.py`.
"""
