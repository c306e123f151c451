"""Global Trade Item Numbers: 8, 12, 13 or 14 digits, the last of which checks the others.

Rule: GS1 General Specifications, section 7.9, modulo 10 with weights 3 and 1 from the right.
"""

from __future__ import annotations

LENGTHS = (8, 12, 13, 14)


def check_digit(digits: str) -> str:
    """The digit that goes after `digits`, which are those of a GTIN without its last one."""
    weighted = (int(digit) * (3, 1)[place % 2] for place, digit in enumerate(reversed(digits)))
    return str(-sum(weighted) % 10)


def is_gtin(text: str) -> bool:
    """Whether it is a GTIN in digits alone, with the check digit that it must have."""
    digits = text.isascii() and text.isdigit()
    return digits and len(text) in LENGTHS and text[-1] == check_digit(text[:-1])
