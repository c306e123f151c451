"""The verifier's own tree, which shares no code with ours, agrees with it; no proof keeps it waiting."""

from __future__ import annotations

from random import Random

import pytest

from eventstore.merkle import (
    WrongProof,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from services.audit.verifier import Tree, consistent, included

LEAVES = [leaf_hash(bytes([number])) for number in range(50)]
ROOTS = [root_of(LEAVES[:size]) for size in range(51)]


def test_its_roots_are_ours() -> None:
    tree = Tree()
    assert tree.root() == ROOTS[0]
    for size, leaf in enumerate(LEAVES, 1):
        tree.append(leaf)
        assert tree.root() == ROOTS[size]


def test_it_takes_each_proof_of_ours() -> None:
    for size in range(1, 51):
        for index in range(size):
            proof = inclusion_proof(index, LEAVES[:size])
            assert included(index, size, LEAVES[index], proof, ROOTS[size])
            assert consistent(
                index + 1, size, ROOTS[index + 1], ROOTS[size], consistency_proof(index + 1, LEAVES[:size])
            )


def test_both_refuse_the_same_proofs() -> None:
    random = Random(3)
    for _ in range(20_000):
        first, second = random.randint(-1, 50), random.randint(-1, 50)
        proof = [random.choice(LEAVES[:4]) for _ in range(random.randint(0, 6))]
        if random.random() < 0.8 and 0 < first <= second:
            proof = consistency_proof(first, LEAVES[:second])
        sizes = random.choice(((first, second), (second, first), (first + 1, second)))
        roots = ROOTS[first], ROOTS[second]
        if sizes[0] != 0:  # the empty tree is none of the verifier's
            assert consistent(*sizes, *roots, proof) is _passes(verify_consistency, *sizes, *roots, proof)
        assert included(*sizes, LEAVES[0], proof, roots[1]) is _passes(
            verify_inclusion, *sizes, LEAVES[0], proof, roots[1]
        )


def _passes(verify: object, *arguments: object) -> bool:
    try:
        verify(*arguments)  # type: ignore[operator]
    except WrongProof:
        return False
    return True


@pytest.mark.parametrize(("one", "other"), [(0, 0), (-1, -1), (-5, 3), (3, -5), (1 << 62, 3), (0, 1 << 62)])
def test_no_size_keeps_it_waiting(one: int, other: int) -> None:
    assert not included(one, other, LEAVES[0], [], ROOTS[1])
    assert not consistent(one, other, ROOTS[1], ROOTS[2], [])
