"""What can an auditor ask for over HTTP to check alone? Checkpoints, proofs, the public key, and the tree
itself.

`/v1/audit/checkpoint` and `/v1/audit/tile/…` are the paths of C2SP tlog-tiles, with /v1/audit as the log's
prefix. There are hashes only: nobody learns of events from them, so who may audit one merchant may have the
tree of all.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from eventstore.log import LogIdentity
from eventstore.merkle import HASH_BYTES
from eventstore.statements import Pool
from services.audit.notes import VerifierKey, WrongNote
from services.audit.proofs import (
    Signed,
    encoded,
    find_event,
    prove_consistency,
    prove_inclusion,
    read_cosigned,
    read_exactly,
    read_key,
    read_proved,
    read_signed,
    read_state,
)
from services.audit.tiles import Connection, TreeDamaged, parse_tile_path
from services.audit.tree import TILE
from services.audit.witness import UnknownWitness, checked, keep
from services.web.access import Allowed, requires
from services.web.openapi import problem_responses
from services.web.problems import Problem, invalid, not_found

SIZE_MAX = 2**63 - 1
FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
Size = Annotated[int, Query(ge=1, le=SIZE_MAX, description="how many events the tree has", examples=[17])]
_HASH = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
_SIGNATURE = "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8="
_NOTE = f"tillroll/0190c3f2a1b4.1\n17\n{_HASH}\n\n— tillroll/0190c3f2a1b4.1 {_SIGNATURE}\n"
_COSIGNATURE = (
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZ"
    "qhf5nNo0xUe+mbIUBkBIfZ+qnA=="
)


class Shown(BaseModel):
    """A shape that goes out, with an example."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ShownCheckpoint(Shown):
    """What was signed."""

    size: int = Field(description="how many events it covers: the positions 1 to this", examples=[17])
    root: str = Field(description="root hash of their Merkle tree (RFC 6962), base64", examples=[_HASH])
    note: str = Field(description="as it was signed (C2SP tlog-checkpoint)", examples=[_NOTE])


class ShownInclusion(Shown):
    """That an event is in the tree of a checkpoint."""

    position: int = Field(examples=[3])
    index: int = Field(description="of its leaf: position - 1", examples=[2])
    leaf_hash: str = Field(description="base64", examples=[_HASH])
    proof: list[str] = Field(description="hashes from the leaf's sibling up, base64", examples=[[_HASH]])
    checkpoint: ShownCheckpoint
    tlog_proof: str = Field(
        description="the same as a file of its own (C2SP tlog-proof)",
        examples=[f"c2sp.org/tlog-proof@v1\nindex 2\n{_HASH}\n\n{_NOTE}"],
    )


class ShownConsistency(Shown):
    """That the tree of the second checkpoint begins with that of the first."""

    first: ShownCheckpoint
    second: ShownCheckpoint
    proof: list[str] = Field(description="hashes, base64 (RFC 6962, 2.1.2)", examples=[[_HASH]])


class ShownKey(Shown):
    """By what the checkpoints are checked."""

    origin: str = Field(description="the first line of checkpoints", examples=["tillroll/0190c3f2a1b4.1"])
    key: str = Field(
        description="verifier key, NAME+ID+KEY (C2SP signed-note)",
        examples=["tillroll/0190c3f2a1b4.1+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"],
    )
    public_key: str = Field(description="the Ed25519 key alone, 32 bytes in base64", examples=[_HASH])


class ShownHalt(Shown):
    """The log is not what was sealed; it lasts until all of it was compared again, and is right."""

    at: datetime
    size: int = Field(description="how many events were sealed then", examples=[17])
    position: int = Field(description="the first that is known to be other", examples=[3])
    reason: str = Field(examples=["the event 3 is not the one that was sealed"])


class ShownState(Shown):
    """How far the log is sealed, and what is not covered yet."""

    head: int = Field(description="highest position of the log", examples=[20])
    size: int = Field(description="how many events the last checkpoint covers", examples=[17])
    outside: int = Field(
        description="how many events a checkpoint covers that stands outside of the database: in the"
        " directory, in NATS, or with the webhook",
        examples=[17],
    )
    signed_at: datetime | None = Field(description="null before the first")
    uncovered_events: int = Field(
        description="that no checkpoint outside covers: not proved yet", examples=[3]
    )
    uncovered_s: float = Field(
        description="how long the first of them is recorded, in seconds", examples=[0.4]
    )
    waited_s_max: float = Field(
        description="how long an event had to wait at most to be signed, of those that the last 3,600"
        " checkpoints cover",
        examples=[0.97],
    )
    halt: ShownHalt | None = Field(description="null while nothing is found to be altered")


class CosignatureBody(Shown):
    """What a witness says."""

    cosignature: str = Field(
        max_length=500, description="its line in the note (C2SP tlog-cosignature)", examples=[_COSIGNATURE]
    )


router = APIRouter(prefix="/v1/audit", tags=["audit"], responses=problem_responses(503))
_AUDITS = [requires("audit:read")]


@router.get(
    "/seal",
    operation_id="get_seal",
    dependencies=_AUDITS,
    summary="How far the log is sealed, and what is not covered yet",
)
async def get_seal(request: Request) -> ShownState:
    """What no checkpoint outside covers can be altered unseen: how many events, and how young."""
    async with _pool(request).connection() as connection:
        return ShownState.model_validate(asdict(await read_state(connection)))


@router.get(
    "/key",
    operation_id="get_seal_key",
    dependencies=_AUDITS,
    summary="By what checkpoints are checked",
    responses=problem_responses(404),
)
async def get_seal_key(request: Request) -> ShownKey:
    """Keep it where the system can't change it; it changes only when a restored log begins a new epoch."""
    identity: LogIdentity = request.app.state.identity
    async with _pool(request).connection() as connection:
        key = await read_key(connection, identity.epoch)
    if key is None:
        raise Problem(404, "not-covered", "nothing is sealed yet: the sealer makes the key when it starts")
    return ShownKey(origin=key.name, key=str(key), public_key=encoded(key.public))


@router.get(
    "/checkpoint",
    operation_id="get_checkpoint",
    dependencies=_AUDITS,
    summary="The last checkpoint, or the first that covers so many events",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": _NOTE}}},
        **problem_responses(404),
    },
)
async def get_checkpoint(
    request: Request,
    size: Annotated[
        int | None, Query(ge=1, le=SIZE_MAX, description="none: the last checkpoint", examples=[17])
    ] = None,
    cosigned: Annotated[
        bool, Query(description="the last one that a witness cosigned; a witness needs a while for each")
    ] = False,
) -> Response:
    """A signed note (C2SP tlog-checkpoint), with the cosignatures of witnesses."""
    if cosigned and size is not None:
        raise invalid("cosigned", "say the size, or that it is cosigned")
    async with _pool(request).connection() as connection:
        signed = await (_cosigned(request, connection) if cosigned else _signed(connection, size))
    headers = {"Cache-Control": "no-store"}
    return Response(signed.note, headers=headers, media_type="text/plain; charset=utf-8")


@router.post(
    "/checkpoints/{size}/cosignatures",
    operation_id="add_cosignature",
    dependencies=_AUDITS,
    summary="Add a witness's cosignature to a checkpoint",
    status_code=201,
    responses=problem_responses(403, 404, 422),
)
async def add_cosignature(
    request: Request,
    size: Annotated[int, Path(ge=1, le=SIZE_MAX, description="of the checkpoint", examples=[17])],
    body: CosignatureBody,
) -> ShownCheckpoint:
    """Of a witness that the settings name (C2SP tlog-cosignature, Ed25519): checked, then it stands in the
    note."""
    async with _pool(request).connection() as connection:
        signed = await _exactly(connection, size)
        try:
            witnesses: tuple[VerifierKey, ...] = request.app.state.witnesses
            witness, at = checked(signed, body.cosignature, witnesses, request.app.state.clock.now())
        except WrongNote as wrong:
            raise invalid("cosignature", str(wrong), where="body") from None
        except UnknownWitness as unknown:
            raise Problem(403, "witness-unknown", f"{unknown}: TILLROLL_SEAL_WITNESSES names them") from None
        async with request.app.state.write_pool.connection() as keeping:
            await keep(keeping, signed, body.cosignature, witness, at)
        return _shown(await _exactly(connection, size))


@router.get(
    "/proofs/inclusion",
    operation_id="prove_inclusion",
    dependencies=_AUDITS,
    summary="Prove that an event is in the log",
    responses=problem_responses(404, 422),
)
async def get_inclusion(
    request: Request,
    asked: Allowed,
    position: Annotated[int | None, Query(ge=1, le=SIZE_MAX, examples=[3])] = None,
    event_id: Annotated[
        UUID | None, Query(description="in place of the position: of an event of the merchant")
    ] = None,
    size: Annotated[
        int | None, Query(ge=1, le=SIZE_MAX, description="of a checkpoint; none: the last", examples=[17])
    ] = None,
) -> ShownInclusion:
    """From the leaf up to the root that a checkpoint signed. 404 for an event that no checkpoint covers
    yet."""
    if (position is None) == (event_id is None):
        raise invalid("position", "say the position, or the event_id")
    async with _pool(request).connection() as connection:
        if event_id is not None:
            position = await find_event(connection, event_id, asked.merchant)
            if position is None:
                raise not_found("event", str(event_id))
        assert position is not None
        signed = await _exactly(connection, size)
        if position > signed.checkpoint.size:
            advice = "name the size of a larger one" if size else "ask again in a second"
            detail = f"the checkpoint of {signed.checkpoint.size} events does not cover position {position}"
            raise Problem(404, "not-covered", f"{detail}: {advice}")
        try:
            found = await prove_inclusion(connection, position, signed)
        except TreeDamaged as damaged:
            raise _altered(damaged) from None
    return ShownInclusion(
        position=position,
        index=position - 1,
        leaf_hash=encoded(found.leaf_hash),
        proof=[encoded(each) for each in found.proof],
        checkpoint=_shown(signed),
        tlog_proof=found.text(),
    )


@router.get(
    "/proofs/consistency",
    operation_id="prove_consistency",
    dependencies=_AUDITS,
    summary="Prove that the log only grew between two checkpoints",
    responses=problem_responses(404, 422),
)
async def get_consistency(
    request: Request,
    first: Size,
    second: Annotated[
        int | None, Query(ge=1, le=SIZE_MAX, description="none: the last checkpoint", examples=[17])
    ] = None,
) -> ShownConsistency:
    """That the tree of the second begins with that of the first: nothing of it was altered or taken away."""
    async with _pool(request).connection() as connection:
        one, two = await _exactly(connection, first), await _exactly(connection, second)
        if one.checkpoint.size > two.checkpoint.size:
            raise invalid("first", f"it is larger than the second, of {two.checkpoint.size} events")
        try:
            found = await prove_consistency(connection, one, two)
        except TreeDamaged as damaged:
            raise _altered(damaged) from None
    proof = [encoded(each) for each in found.proof]
    return ShownConsistency(first=_shown(one), second=_shown(two), proof=proof)


@router.get(
    "/tile/{path:path}",
    operation_id="get_tile",
    dependencies=_AUDITS,
    summary="A tile of the tree",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
        **problem_responses(404, 422),
    },
)
async def get_tile(
    request: Request,
    path: Annotated[
        str,
        Path(max_length=100, description="LEVEL/NUMBER, and .p/WIDTH if partial", examples=["0/x001/234"]),
    ],
) -> Response:
    """Up to 256 hashes of one level (C2SP tlog-tiles), as far as they were sealed.

    They lead to the root that was signed, so nothing of it ever changes.
    """
    try:
        level, number, width = parse_tile_path(path)
    except ValueError as error:
        raise invalid("path", str(error), where="path") from None
    async with _pool(request).connection() as connection:
        try:
            signed = await read_signed(connection)
            if signed is None or (number * TILE + width) << (8 * level) > signed.checkpoint.size:
                raise not_found("tile", path)
            hashes = await read_proved(connection, signed, level, number)
        except TreeDamaged as damaged:
            raise _altered(damaged) from None
    content = hashes[: width * HASH_BYTES]
    return Response(content, headers=FOREVER, media_type="application/octet-stream")


def _pool(request: Request) -> Pool:
    return request.app.state.pool  # type: ignore[no-any-return]


async def _signed(connection: Connection, size: int | None) -> Signed:
    try:
        signed = await read_signed(connection, size)
    except TreeDamaged as damaged:
        raise _altered(damaged) from None
    if signed is None and size is None:
        raise Problem(404, "not-covered", "nothing is sealed yet: ask again in a second")
    if signed is None:
        raise Problem(404, "not-covered", f"no checkpoint covers {size} events yet: ask again in a second")
    return signed


async def _cosigned(request: Request, connection: Connection) -> Signed:
    identity: LogIdentity = request.app.state.identity
    key = await read_key(connection, identity.epoch)
    signed = None
    if key:
        try:
            signed = await read_cosigned(connection, identity.epoch, key, request.app.state.witnesses)
        except TreeDamaged as damaged:
            raise _altered(damaged) from None
    if signed is None:
        raise Problem(404, "not-found", "no witness that TILLROLL_SEAL_WITNESSES names has cosigned one yet")
    return signed


async def _exactly(connection: Connection, size: int | None) -> Signed:
    try:
        found = await read_exactly(connection, size) if size else None
    except TreeDamaged as damaged:
        raise _altered(damaged) from None
    if found:
        return found
    signed = await _signed(connection, size)
    if size is None:
        return signed
    detail = f"there is no checkpoint of {size} events; the next one has {signed.checkpoint.size}"
    raise Problem(404, "not-found", detail, next=signed.checkpoint.size)


def _shown(signed: Signed) -> ShownCheckpoint:
    checkpoint = signed.checkpoint
    return ShownCheckpoint(size=checkpoint.size, root=encoded(checkpoint.root), note=signed.note)


def _altered(damaged: TreeDamaged) -> Problem:
    return Problem(500, "log-altered", f"the stored tree is not what was signed: {damaged}")
