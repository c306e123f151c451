"""The tree is that of RFC 6962, to the byte: its own example, and what others publish, come out the same.

Published: the leaves, nodes, roots and proofs of transparency-dev/merkle (`testonly/constants.go`,
`testdata/`), as in Certificate Transparency's first implementation; and the accumulated vectors of the
appendix "Subtree Test Vectors" of draft-ietf-plants-merkle-tree-certs.
"""

from __future__ import annotations

from hashlib import sha256
from itertools import product
from random import Random

import pytest

from eventstore.merkle import (
    EMPTY_ROOT,
    Frontier,
    Node,
    WrongProof,
    consistency_proof,
    consistency_ranges,
    hashes_in,
    inclusion_proof,
    inclusion_ranges,
    leaf_hash,
    node_hash,
    root_of,
    root_of_range,
    verify_consistency,
    verify_inclusion,
)

ENTRIES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
LEAVES = [leaf_hash(bytes.fromhex(each)) for each in ENTRIES]
NODES = {
    (0, 0): "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    (0, 1): "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    (0, 2): "0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7",
    (0, 3): "07506a85fd9dd2f120eb694f86011e5bb4662e5c415a62917033d4a9624487e7",
    (0, 4): "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    (0, 5): "4271a26be0d8a84f0bd54c8c302e7cb3a3b5d1fa6780a40bcce2873477dab658",
    (0, 6): "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
    (0, 7): "46f6ffadd3d06a09ff3c5860d2755c8b9819db7df44251788c7d8e3180de8eb1",
    (1, 0): "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    (1, 1): "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    (1, 2): "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    (1, 3): "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    (2, 0): "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    (2, 1): "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    (3, 0): "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
MANY = 130
BYTES = [leaf_hash(bytes([number])) for number in range(MANY)]


def _nodes(*nodes: Node) -> list[bytes]:
    return [bytes.fromhex(NODES[node]) for node in nodes]


def test_roots_are_as_published() -> None:
    assert [root_of(LEAVES[:size]).hex() for size in range(9)] == list(ROOTS)
    assert EMPTY_ROOT.hex() == ROOTS[0]


def test_nodes_are_as_published() -> None:
    for (level, index), wanted in NODES.items():
        width = 1 << level
        assert root_of(LEAVES[index * width : (index + 1) * width]).hex() == wanted


def test_a_frontier_keeps_the_perfect_parts_that_are_published() -> None:
    frontier = Frontier()
    for leaf in LEAVES[:7]:
        frontier.append(leaf)
    assert frontier.peaks == tuple(_nodes((2, 0), (1, 2), (0, 6)))


@pytest.mark.parametrize(
    ("index", "size", "nodes"),
    [
        (0, 1, []),
        (0, 8, [(0, 1), (1, 1), (2, 1)]),
        (5, 8, [(0, 4), (1, 3), (2, 0)]),
        (2, 3, [(1, 0)]),
        (1, 5, [(0, 0), (1, 1), (0, 4)]),
    ],
)
def test_inclusion_proofs_are_as_published(index: int, size: int, nodes: list[Node]) -> None:
    assert inclusion_proof(index, LEAVES[:size]) == _nodes(*nodes)


@pytest.mark.parametrize(
    ("first", "second", "nodes"),
    [
        (1, 1, []),
        (1, 8, [(0, 1), (1, 1), (2, 1)]),
        (6, 8, [(1, 2), (1, 3), (2, 0)]),
        (2, 5, [(1, 1), (0, 4)]),
        (6, 7, [(1, 2), (0, 6), (2, 0)]),
    ],
)
def test_consistency_proofs_are_as_published(first: int, second: int, nodes: list[Node]) -> None:
    assert consistency_proof(first, LEAVES[:second]) == _nodes(*nodes)


def test_the_example_of_the_rfc() -> None:
    """RFC 6962, 2.1.3: seven leaves d0 to d6, nodes a to l."""
    a, b, c, d, e, f, j = LEAVES[:7]
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, l = node_hash(g, h), node_hash(i, j)  # noqa: E741 - the RFC's names
    seven = LEAVES[:7]
    assert root_of(seven) == node_hash(k, l)
    assert inclusion_proof(0, seven) == [b, h, l]
    assert inclusion_proof(3, seven) == [c, g, l]
    assert inclusion_proof(4, seven) == [f, j, k]
    assert inclusion_proof(6, seven) == [i, k]
    assert consistency_proof(3, seven) == [c, d, g, l]
    assert consistency_proof(4, seven) == [l]
    assert consistency_proof(6, seven) == [i, j, k]


def _is_subtree(start: int, end: int) -> bool:
    """As the draft says it: empty, or it begins at a multiple of the power of two that holds it."""
    return start == end or (start < end and start % (1 << (end - start - 1).bit_length()) == 0)


def test_the_roots_of_all_subtrees_up_to_130_leaves_come_to_the_published_hash() -> None:
    lines = sha256()
    for end, start in product(range(MANY + 1), range(MANY + 1)):
        if _is_subtree(start, end):
            lines.update(f"[{start}, {end}) {root_of(BYTES[start:end]).hex()}\n".encode())
    assert lines.hexdigest() == "b82806ad4265bb151c1119c0f4db437bb4d1a1f887b3a7fba1cd4ebf552e3e81"


def test_all_inclusion_proofs_up_to_130_leaves_come_to_the_published_hash() -> None:
    lines = sha256()
    for end, start in product(range(MANY + 1), range(MANY + 1)):
        if _is_subtree(start, end):
            leaves = BYTES[start:end]
            for index in range(end - start):
                proof = "".join(f" {each.hex()}" for each in inclusion_proof(index, leaves))
                lines.update(f"{start + index} [{start}, {end}){proof}\n".encode())
    assert lines.hexdigest() == "ac2a8f989e44d99e399db448050ff5f19757df53cfb716aa81015d3955d8163f"


def test_every_proof_up_to_70_leaves_verifies_and_a_changed_one_does_not() -> None:
    random = Random(1)
    roots = [root_of(BYTES[:size]) for size in range(71)]
    for size in range(1, 71):
        for index in range(size):
            proof = inclusion_proof(index, BYTES[:size])
            verify_inclusion(index, size, BYTES[index], proof, roots[size])
            with pytest.raises(WrongProof):
                verify_inclusion(index, size, BYTES[index], _changed(proof, random), roots[size])
            with pytest.raises(WrongProof):
                verify_inclusion((index + 1) % (size + 1), size, BYTES[index], proof, roots[size])
        for first in range(size + 1):
            proof = consistency_proof(first, BYTES[:size]) if first else []
            verify_consistency(first, size, roots[first], roots[size], proof)
            with pytest.raises(WrongProof):
                verify_consistency(first, size, roots[first], roots[size], _changed(proof, random))
            if first:  # every tree begins with the empty one
                with pytest.raises(WrongProof):
                    verify_consistency(first, size, roots[first], roots[size - 1], proof)


def _changed(proof: list[bytes], random: Random) -> list[bytes]:
    """One bit other, one hash less, or one more."""
    kind = random.randrange(3) if proof else 2
    at = random.randrange(len(proof)) if proof else 0
    if kind == 0:
        bit = 1 << random.randrange(256)
        return [*proof[:at], (int.from_bytes(proof[at]) ^ bit).to_bytes(32), *proof[at + 1 :]]
    return [*proof[:at], *proof[at + 1 :]] if kind == 1 else [*proof, proof[0] if proof else EMPTY_ROOT]


def test_a_range_is_folded_from_its_perfect_nodes() -> None:
    def hash_of(node: Node) -> bytes:
        level, index = node
        return root_of(BYTES[index << level : (index + 1) << level])

    for size in range(1, MANY + 1):
        for start, end in (*inclusion_ranges(size // 3, size), *consistency_ranges(size // 2 + 1, size)):
            assert root_of_range(start, end, hash_of) == root_of(BYTES[start:end])


def test_a_frontier_is_kept_and_taken_up_again() -> None:
    for size in range(MANY):
        frontier = Frontier()
        frontier.extend(BYTES[:size])
        again = Frontier.from_bytes(frontier.to_bytes())
        copy = again.copy()
        again.extend(BYTES[size:])
        assert again.root() == root_of(BYTES)
        assert (copy.size, copy.root()) == (size, root_of(BYTES[:size]))


@pytest.mark.parametrize("kept", [b"", b"\x00" * 7 + b"\x03" + b"a" * 32, b"\x00" * 7 + b"\x01" + b"a" * 31])
def test_what_is_no_frontier_is_refused(kept: bytes) -> None:
    if kept:
        with pytest.raises(ValueError, match=r"perfect parts|whole hashes"):
            Frontier.from_bytes(kept)
    else:
        assert Frontier.from_bytes(kept).size == 0


def test_a_hash_has_32_bytes() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Frontier().append(b"short")
    with pytest.raises(ValueError, match="whole hashes"):
        hashes_in(b"x" * 33)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 5), (5, 5)])
def test_there_is_no_proof_of_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_ranges(index, size)
    with pytest.raises(WrongProof):
        verify_inclusion(index, size, EMPTY_ROOT, [], EMPTY_ROOT)


@pytest.mark.parametrize(("first", "second"), [(0, 5), (6, 5), (-1, 5)])
def test_there_is_no_proof_between_sizes_that_do_not_follow(first: int, second: int) -> None:
    with pytest.raises(ValueError, match="no proof"):
        consistency_ranges(first, second)
