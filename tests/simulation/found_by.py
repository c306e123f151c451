"""Which history finds a planted bug? The first that did, where it was not the very first of all.

Only so that it is soon found again: once a play changes, others may find it, and the test goes through all
of them. To write this anew, as they are found:
`pytest -n 2 -rP tests/simulation -k planted | grep 'found by'`.
"""

FOUND_BY = {
    "pages are not fenced": 2,
    "open calls are not kept": 2,
    "deadlines are forgotten before they are appended": 7,
    "a page and a renewal name no range": 16,
    "captured money is voided": 5,
    "a call that our own trouble stopped counts as made": 7,
    "a wrong clock is waited for": 2,
    "a deadline comes once in a life": 3,
    "a refund that was refused is asked for under its old name": 6,
    "what has lapsed is not let go": 14,
    "what came back is for sale": 2,
    "who waits for much is passed over": 5,
    "what comes of a filled back-order belongs to whoever brought the goods": 2,
    "what is shipped can be cancelled": 14,
    "what is held is sent": 4,
    "a label that was asked back goes with its manifest": 6,
    "a parcel stands in two manifests": 51,
    "each press of the button claims the cart": 6,
    "a change set that came to nothing keeps its money": 9,
    "who pays less is charged as before": 8,
    "a dispute that is won is not": 6,
    "what a picker did not find stays planned": 12,
    "what was not found is taken off twice": 58,
    "a closed warehouse is chosen all the same": 4,
    "a price that was withdrawn holds all the same": 6,
    "pages of read models are not fenced": 2,
    "what comes after a parked fact is merged": 3,
    "who takes a read model forgets what is parked": 4,
    "what was prepared before a key was parked is merged": 2,
}
