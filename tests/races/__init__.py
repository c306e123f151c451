"""Shoppers who want the last unit at the same time, over HTTP: as many rounds as one likes.

`python -m tests.races --rounds 1000`, or `make races ROUNDS=1000`.
"""
