"""Live trade while provider and carrier misbehave in every scripted way: what must hold all the same?

`python -m tests.misbehave --orders 10000`, or `make misbehave ORDERS=10000`.
"""
