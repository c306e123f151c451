"""Playing recorded or made-up trade: reading it, planning it, and saying what must come of it."""
