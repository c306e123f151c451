"""How is a log summed up in 32 bytes, and what proves that an event is in it, or that it only grew?

The Merkle tree of RFC 6962, section 2.1, over leaf hashes that exist (`eventstore/leaf.py`); position = leaf
index + 1. All is pure: who reads hashes from somewhere asks here which ones (`inclusion_ranges`,
`consistency_ranges`, `perfect_nodes`). A range is (start, end) of leaf indices, a node (level, index): the
root of the 2**level leaves from index * 2**level on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
SIZE_MAX = 1 << 63
_SIZE_BYTES = 8

Range = tuple[int, int]
Node = tuple[int, int]


class WrongProof(ValueError):
    """The proof does not prove it; the message says what is wrong with it."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf's bytes."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash over two neighbours."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """What must be kept of a tree to let it grow: the roots of its perfect parts, largest first.

    At most 63 hashes, however large the tree.
    """

    __slots__ = ("_peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """Raises ValueError unless `peaks` are as many hashes as a tree of `size` leaves has parts."""
        if not 0 <= size < SIZE_MAX or len(peaks) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves does not have {len(peaks)} perfect parts")
        if any(len(peak) != HASH_BYTES for peak in peaks):
            raise ValueError(f"a hash has {HASH_BYTES} bytes")
        self.size = size
        self._peaks = list(peaks)

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """The roots of the perfect parts, largest first."""
        return tuple(self._peaks)

    def append(self, leaf: bytes) -> None:
        """Let the tree grow by one leaf hash."""
        if len(leaf) != HASH_BYTES:
            raise ValueError(f"a hash has {HASH_BYTES} bytes")
        peaks, size = self._peaks, self.size
        while size & 1:
            leaf = sha256(b"\x01" + peaks.pop() + leaf).digest()
            size >>= 1
        peaks.append(leaf)
        self.size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Let the tree grow by leaf hashes, in order."""
        for leaf in leaves:
            self.append(leaf)

    def root(self) -> bytes:
        """The root hash of the tree as it is."""
        return _joined(self._peaks)

    def copy(self) -> Frontier:
        """One that grows by itself."""
        return Frontier(self.size, self._peaks)

    def to_bytes(self) -> bytes:
        """The size as eight bytes, big-endian, then the peaks."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + b"".join(self._peaks)

    @classmethod
    def from_bytes(cls, kept: bytes) -> Frontier:
        """What `to_bytes` gave; ValueError for anything else."""
        size, peaks = int.from_bytes(kept[:_SIZE_BYTES], "big"), kept[_SIZE_BYTES:]
        return cls(size, hashes_in(peaks))


def hashes_in(joined: bytes) -> list[bytes]:
    """The hashes that stand one after the other in `joined`; ValueError unless they are whole ones."""
    if len(joined) % HASH_BYTES:
        raise ValueError(f"{len(joined)} bytes are no whole hashes of {HASH_BYTES}")
    return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]


def _joined(peaks: Sequence[bytes]) -> bytes:
    """The root over perfect parts, largest first."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root hash of the tree over these leaf hashes."""
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier.root()


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The ranges whose roots prove that leaf `index` is in the tree of `size` leaves, nearest first.

    Raises ValueError unless 0 <= index < size.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    start, end, ranges = 0, size, []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    ranges.reverse()
    return ranges


def consistency_ranges(first: int, second: int) -> list[Range]:
    """The ranges whose roots prove that the tree of `second` leaves begins with that of `first`.

    Raises ValueError unless 0 < first <= second. For equal sizes there are none.
    """
    if not 0 < first <= second:
        raise ValueError(f"there is no proof from {first} to {second} leaves: 0 < first <= second")
    start, end, ranges = 0, second, []
    while first != end:
        middle = start + _split(end - start)
        if first <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    if start:  # a whole first tree is known to who checks the proof
        ranges.append((start, end))
    ranges.reverse()
    return ranges


def perfect_nodes(start: int, end: int) -> list[Node]:
    """The nodes whose perfect trees make up a range of a proof, from the left: largest first."""
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


def root_of_range(start: int, end: int, hash_of: Callable[[Node], bytes]) -> bytes:
    """The root over a range of a proof, from the hashes of its perfect nodes."""
    return _joined([hash_of(node) for node in perfect_nodes(start, end)])


def inclusion_proof(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """RFC 6962, 2.1.1: PATH(index, leaves), from leaf hashes that are all at hand."""
    return [root_of(leaves[start:end]) for start, end in inclusion_ranges(index, len(leaves))]


def consistency_proof(first: int, leaves: Sequence[bytes]) -> list[bytes]:
    """RFC 6962, 2.1.2: PROOF(first, leaves), from leaf hashes that are all at hand."""
    return [root_of(leaves[start:end]) for start, end in consistency_ranges(first, len(leaves))]


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Raises WrongProof unless `proof` shows `leaf` at `index` in the tree of `size` leaves and that root."""
    if not 0 <= index < size:
        raise WrongProof(f"a tree of {size} leaves has no leaf {index}")
    _check_lengths(proof, len(inclusion_ranges(index, size)), (leaf, root))
    found = leaf
    last = size - 1
    for each in proof:
        while not index & 1 and index == last:  # alone at the right edge: goes up as it is
            index, last = index >> 1, last >> 1
        found = node_hash(each, found) if index & 1 else node_hash(found, each)
        index, last = index >> 1, last >> 1
    if found != root:
        raise WrongProof("the proof leads to another root: the leaf is not in that tree at that place")


def verify_consistency(
    first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]
) -> None:
    """Raises WrongProof unless `proof` shows that the second tree begins with the first one.

    An empty tree, and one of equal size, take an empty proof.
    """
    if not 0 <= first <= second:
        raise WrongProof(f"a tree of {second} leaves does not begin with one of {first}")
    wanted = len(consistency_ranges(first, second)) if first else 0
    _check_lengths(proof, wanted, (first_root, second_root))
    if first == 0 and first_root != EMPTY_ROOT:
        raise WrongProof("the empty tree has another root")
    if first in (0, second):
        if first == second and first_root != second_root:
            raise WrongProof("two trees of one size have different roots: the log was forked")
        return
    old, new = _both_roots(first, second, first_root, proof)
    if old != first_root:
        raise WrongProof(f"the proof leads to another root of the first {first} leaves")
    if new != second_root:
        raise WrongProof(f"the proof leads to another root of the {second} leaves")


def _both_roots(first: int, second: int, first_root: bytes, proof: Sequence[bytes]) -> tuple[bytes, bytes]:
    """What the proof says that both roots are."""
    rest = list(proof)
    at, last = first - 1, second - 1
    while at & 1:  # up to the largest perfect part that ends where the first tree does
        at, last = at >> 1, last >> 1
    old = new = rest.pop(0) if at else first_root
    for each in rest:
        while not at & 1 and at == last:
            at, last = at >> 1, last >> 1
        if at & 1:
            old, new = node_hash(each, old), node_hash(each, new)
        else:
            new = node_hash(new, each)
        at, last = at >> 1, last >> 1
    return old, new


def _check_lengths(proof: Sequence[bytes], wanted: int, others: Sequence[bytes]) -> None:
    if len(proof) != wanted:
        raise WrongProof(f"the proof has {len(proof)} hashes, and needs {wanted}")
    if any(len(each) != HASH_BYTES for each in (*proof, *others)):
        raise WrongProof(f"a hash has {HASH_BYTES} bytes")
