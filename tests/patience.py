"""How long, in seconds, may what a test waits for take before the test is taken to hang?"""

HANGS = 900.0
"""Never reached where all is well, on a machine however slow: it says nothing about speed."""
