"""`tillroll checkpoint`, `proof` and `export-verifier`: what an auditor takes away, from the terminal."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from services.audit import verifier
from services.audit.notes import VerifierKey
from services.audit.proofs import (
    Signed,
    State,
    encoded,
    find_event,
    prove_consistency,
    prove_inclusion,
    read_cosigned,
    read_exactly,
    read_key,
    read_signed,
    read_state,
)
from services.audit.tiles import Connection
from services.audit.witness import witnesses_in
from services.console import results
from services.context import open_context
from services.settings import Settings


class NoProof(Exception):
    """It can't be proved; the message says why, and what to do."""

    expected = True


@asynccontextmanager
async def _reading(settings: Settings) -> AsyncIterator[tuple[Connection, int]]:
    """A connection, and the log's epoch."""
    async with (
        open_context(settings, "proof", "project", follow=False) as context,
        context.pool.connection() as connection,
    ):
        yield connection, context.log.identity.epoch


async def show_checkpoint(settings: Settings, size: int | None, *, cosigned: bool, as_json: bool) -> int:
    """The note on standard output; what it does not cover on standard error. 1 if the sealer halted."""
    async with _reading(settings) as (connection, epoch):
        key = await read_key(connection, epoch)
        signed = await (
            _cosigned(connection, settings, epoch, key) if cosigned else _signed(connection, size)
        )
        state = await read_state(connection)
    if as_json:
        _print({**_shown(signed), "key": str(key), "state": asdict(state)})
    else:
        sys.stdout.write(signed.note)
        chosen = signed.checkpoint.size if size or cosigned else None
        sys.stderr.write(f"{_uncovered(state, chosen)}\n")
    return 1 if state.halt else 0


def _uncovered(state: State, chosen: int | None = None) -> str:
    """What the last checkpoint does not cover; of another one that was chosen, how far that goes."""
    if state.halt:
        found = f"THE LOG WAS ALTERED at position {state.halt.position}: {state.halt.reason}"
        return f"{found} (since {state.halt.at:%Y-%m-%d %H:%M:%S}, when {state.halt.size:,} were sealed)"
    if chosen is not None:
        return f"this checkpoint covers {chosen:,} of {state.head:,} events"
    covered = f"{state.outside:,} of {state.head:,} events are covered"
    if not state.uncovered_events:
        return covered
    return f"{covered}; the oldest that is not, is recorded {state.uncovered_s:.1f} s ago"


async def show_key(settings: Settings) -> None:
    """The verifier key of the log in its present epoch."""
    async with _reading(settings) as (connection, epoch):
        key = await read_key(connection, epoch)
    if key is None:
        raise NoProof("nothing is sealed yet: start the sealer (`tillroll up`), which makes the key")
    sys.stdout.write(f"{key}\n")


async def show_inclusion(
    settings: Settings, position: int | None, event_id: str, merchant: str, size: int | None, *, as_json: bool
) -> None:
    """A C2SP tlog-proof, which `verifier.py --proof` checks; as JSON the same that the API answers."""
    async with _reading(settings) as (connection, _):
        position = position or await _position(connection, event_id, merchant)
        signed = await _exactly(connection, size)
        if position > signed.checkpoint.size:
            raise NoProof(await _not_covered(connection, position, signed, size))
        proof = await prove_inclusion(connection, position, signed)
    if as_json:
        fields = {"position": position, "index": position - 1, "leaf_hash": encoded(proof.leaf_hash)}
        hashes = [encoded(each) for each in proof.proof]
        _print({**fields, "proof": hashes, "checkpoint": _shown(signed), "tlog_proof": proof.text()})
    else:
        sys.stdout.write(proof.text())


async def _not_covered(connection: Connection, position: int, signed: Signed, size: int | None) -> str:
    """Waiting helps only where the event is there, and the checkpoint is the last one."""
    if position > (head := (await read_state(connection)).head):
        return f"there is no position {position}: the log ends at {head}"
    said = f"the checkpoint of {signed.checkpoint.size} events does not cover {position}"
    return f"{said}: choose a larger one with --size" if size else f"{said} yet: wait a second"


async def _position(connection: Connection, event_id: str, merchant: str) -> int:
    try:
        wanted = UUID(event_id)
    except ValueError:
        raise NoProof(
            f"{event_id!r} is no event id: say --position N, or --event-id and --merchant"
        ) from None
    found = await find_event(connection, wanted, merchant)
    if found is None:
        if not merchant:
            raise NoProof(f"say whose the event {wanted} is: --event-id needs --merchant")
        raise NoProof(
            f"{merchant} has no event {wanted}: another merchant may, say whose it is by --merchant"
        )
    return found


async def show_consistency(settings: Settings, first: int, second: int | None) -> None:
    """As JSON, as the API answers it, which `verifier.py --consistency` checks."""
    async with _reading(settings) as (connection, _):
        one, two = await _exactly(connection, first), await _exactly(connection, second)
        if one.checkpoint.size > two.checkpoint.size:
            raise NoProof("the first checkpoint is the larger one: say them the other way round")
        proof = await prove_consistency(connection, one, two)
    hashes = [encoded(each) for each in proof.proof]
    _print({"first": _shown(one), "second": _shown(two), "proof": hashes})


async def _signed(connection: Connection, size: int | None) -> Signed:
    signed = await read_signed(connection, size)
    if signed is None and size and (last := await read_signed(connection)):
        raise NoProof(f"no checkpoint covers {size} events yet: the last one has {last.checkpoint.size}")
    if signed is None:
        raise NoProof("nothing is sealed yet: the sealer signs within a second (`tillroll up` starts it)")
    return signed


async def _cosigned(
    connection: Connection, settings: Settings, epoch: int, key: VerifierKey | None
) -> Signed:
    witnesses = witnesses_in(settings.seal_witnesses)
    signed = await read_cosigned(connection, epoch, key, witnesses) if key else None
    if signed is None:
        raise NoProof("no witness that TILLROLL_SEAL_WITNESSES names has cosigned a checkpoint yet")
    return signed


async def _exactly(connection: Connection, size: int | None) -> Signed:
    found = await read_exactly(connection, size) if size else None
    if found:
        return found
    signed = await _signed(connection, size)
    if size is None:
        return signed
    raise NoProof(f"there is no checkpoint of {size} events; the next has {signed.checkpoint.size}")


def _shown(signed: Signed) -> dict[str, Any]:
    checkpoint = signed.checkpoint
    return {"size": checkpoint.size, "root": encoded(checkpoint.root), "note": signed.note}


def _print(answer: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(answer).decode() + "\n")


def export_verifier(file: Path) -> None:
    """Write the stand-alone verifier out, as it is."""
    try:
        file.write_bytes(Path(verifier.__file__).read_bytes())
    except OSError as error:
        raise NoProof(f"{file} can't be written: {error.strerror}") from None
    results.print(
        f"{file}: read it, then run `python {file.name} EXPORT --checkpoint FILE --key KEY`", markup=False
    )
