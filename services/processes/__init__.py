"""Each process of ours: a module with its `main`, from a context to its end; beside them, what they share.

A process imports what it alone needs, and before it opens anything: nine of them start at once on a machine.
"""
