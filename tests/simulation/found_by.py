"""Which history finds a planted bug? The first that did, where it was not the very first of all.

Only so that it is soon found again: once a play changes, others may find it, and the test goes through all
of them. To write this anew, as they are found:
`pytest -n 2 -rP tests/simulation -k planted | grep 'found by'`.
"""

FOUND_BY: dict[str, int] = {}
