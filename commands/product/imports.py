"""The upload of a catalogue: a CSV file comes in; how far it is can be asked, and what has to be mended."""

from __future__ import annotations

import asyncio
import csv
import io
import tempfile
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import IO, Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import BaseModel, Field

from commands.http import KEY_HEADER, PROBLEMS, Positioned, answers
from commands.product.csv_form import ERROR, RowRefused, header_of
from commands.product.importing import QUERIES, Importer
from domain.product.csv_file import COLUMNS, read, written
from domain.streams import merchant_stream
from eventstore.seams import key_id
from services.web.access import Allowed, requires
from services.web.positions import POSITION_HEADER
from services.web.problems import Problem, not_found, try_later, unknown_merchant
from services.web.work import resting

BYTES_MAX, ROWS_MAX, CELL_MAX, ADDED_AT_ONCE = 32 * 2**20, 100_000, 20_000, 500
PAUSE_SECONDS, WHOLE_SECONDS = 10.0, 300.0
IN_MEMORY = 2**20
EXAMPLE = (
    "product_id,name,options,sku,option_values,prices,channels,status\r\n"
    "MUG,Mug,colour,MUG-RED,red,web BRL 4990,web,active\r\n"
)
Key = Annotated[
    str | None,
    Header(
        alias=KEY_HEADER,
        min_length=1,
        max_length=255,
        description="a name of your own for this file: uploaded again with the same key, it is taken in once",
    ),
]
ImportId = Annotated[UUID, Path(examples=["0190c3f2-a1b4-7000-8000-5c2f6d1e9a77"])]
router = APIRouter(prefix="/v1/catalogue/imports", tags=["catalogue"])


class ImportTaken(Positioned):
    """The import that was begun."""

    import_id: UUID
    rows: int = Field(description="rows of the file, without its first", examples=[120])


class RowFailed(BaseModel):
    """A row that was not done, and what to do about it."""

    line: int = Field(description="of the file; its first row is 1", examples=[7])
    column: str = Field(examples=["gtin"])
    message: str = Field(examples=["its last digit checks the others and should be 1: look for a typo"])


class ImportProgress(BaseModel):
    """How far an import is. `errors` are the first of those that failed, after `after`."""

    import_id: UUID
    state: Literal["running", "finished"]
    received_at: datetime
    attempt: int = Field(examples=[1])
    rows: int = Field(examples=[120])
    done: int = Field(examples=[118])
    failed: int = Field(examples=[2])
    unreadable: int = Field(
        description="of those that failed: they are not tried again, but mended in the file", examples=[1]
    )
    errors: list[RowFailed]


def importer_of(request: Request) -> Importer:
    """Raises a 503 problem where this process carries no imports out."""
    importer: Importer | None = getattr(request.app.state, "importer", None)
    if importer is None:
        raise try_later("imports are not carried out here", 1.0)
    return importer


@router.post(
    "",
    operation_id="import_catalogue",
    summary="Upload a catalogue",
    status_code=202,
    dependencies=[requires("catalogue:write")],
    response_model=ImportTaken,
    responses={**PROBLEMS, **answers(202, "The file is kept, and carried out in the background")},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "text/csv": {"schema": {"type": "string", "maxLength": BYTES_MAX}, "example": EXAMPLE}
            },
        }
    },
)
async def import_catalogue(request: Request, asked: Allowed, idempotency_key: Key = None) -> Response:
    """CSV in UTF-8, a row a variant, with columns as in the export (product_id, name and sku at least).
    What is good is done; of every other row it is told in which column it fails, and what to do. Up to 32 MiB
    and 100,000 rows.
    """
    importer = importer_of(request)
    await _known(importer, asked.merchant)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "text/csv":
        raise Problem(415, "unsupported-media-type", "send CSV: Content-Type: text/csv")
    import_id = (
        request.app.state.ids.new()
        if idempotency_key is None
        else key_id("catalogue-import", asked.merchant, asked.principal.actor, idempotency_key)
    )
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
        async with resting(request):
            digest = await _received(request, file)
        rows = await _kept(importer, import_id, asked, file, digest)
    importer.uploaded.set()
    answer = {"import_id": str(import_id), "rows": rows}
    return await _positioned(request, answer, 202)


async def _known(importer: Importer, merchant: str) -> None:
    (state,) = await importer.executor.states.load([merchant_stream(merchant)])
    if not state.state.registered:
        raise unknown_merchant(merchant)


async def _positioned(request: Request, answer: dict[str, Any], status: int) -> Response:
    state = request.app.state
    position = state.identity.token(await state.log.head())
    return Response(
        orjson.dumps({**answer, "position": position}),
        status,
        {POSITION_HEADER: position},
        "application/json",
    )


async def _received(request: Request, file: IO[bytes]) -> bytes:
    """Write the body to the file, a piece at a time; its SHA-256. Raises a 408 or 413 problem."""
    digest, size = sha256(), 0
    pieces = request.stream()
    try:
        async with asyncio.timeout(WHOLE_SECONDS):
            while True:
                async with asyncio.timeout(PAUSE_SECONDS):
                    piece = await anext(pieces, None)
                if piece is None:
                    return digest.digest()
                size += len(piece)
                if size > BYTES_MAX:
                    raise Problem(413, "too-large", f"a file holds at most {BYTES_MAX} bytes: part it")
                digest.update(piece)
                file.write(piece)
    except TimeoutError:
        headers = {"Connection": "close"}
        raise Problem(408, "too-slow", "the file came too slowly", headers=headers) from None


async def _kept(importer: Importer, import_id: UUID, asked: Allowed, file: IO[bytes], digest: bytes) -> int:
    """All of the file in one transaction, or nothing more if the same key brought it before. Its rows."""
    of = {
        "import_id": import_id,
        "merchant": asked.merchant,
        "actor": asked.principal.actor,
        "digest": digest,
    }
    async with importer.pool.connection() as connection, connection.transaction():
        cursor = await connection.execute(QUERIES.add_import.sql.encode(), of)
        found = await cursor.fetchone()
        assert found
        if bytes(found[0]) != digest:
            detail = "this key was used before, for another file; take a new key for a new one"
            raise Problem(422, "idempotency-key-reused", f"{KEY_HEADER}: {detail}")
        count = 0
        for batch in _batches(file):
            count += len(batch)
            if found[1]:
                columns = {"lines": 0, "cells": 1, "columns": 2, "messages": 3}
                arguments = {name: [row[at] for row in batch] for name, at in columns.items()}
                await connection.execute(QUERIES.add_rows.sql.encode(), {"import_id": import_id, **arguments})
            await asyncio.sleep(0)
        if not count:
            raise Problem(
                422, "invalid-input", "the file has no row beside its first one, which names the columns"
            )
    return count


RawRow = tuple[int, str, str, str]
"""Line, cells as JSON, and if it can't be read the column and what is wrong."""


def _batches(file: IO[bytes]) -> Iterator[list[RawRow]]:
    """Raises a 422 problem for what is no such file at all."""
    file.seek(0)
    csv.field_size_limit(BYTES_MAX)
    text = io.TextIOWrapper(file, "utf-8-sig", newline="")
    batch: list[RawRow] = []
    try:
        reader = csv.reader(text, strict=True)
        header = header_of(next(reader, []))
        for count, row in enumerate(filter(None, reader), 1):
            if count > ROWS_MAX:
                raise Problem(413, "too-large", f"a file holds at most {ROWS_MAX} rows: part it")
            batch.append(_raw(reader.line_num, header, row))
            if len(batch) == ADDED_AT_ONCE:
                yield batch
                batch = []
    except RowRefused as refused:
        raise Problem(422, "invalid-input", f"column {refused.column}: {refused.message}") from None
    except UnicodeDecodeError:
        raise Problem(422, "invalid-input", "the file is not in UTF-8: save it as CSV UTF-8") from None
    except csv.Error as error:
        raise Problem(
            422, "invalid-input", f"the file is no CSV after line {reader.line_num}: {error}"
        ) from None
    finally:
        text.detach()
    if batch:
        yield batch


def _raw(line: int, header: list[str], row: list[str]) -> RawRow:
    cells = {name: read(cell) for name, cell in zip(header, row, strict=False) if name != ERROR}
    if len(row) != len(header):
        wrong = "", f"it has {len(row)} cells, and the first row names {len(header)} columns"
    elif long := next((name for name, cell in cells.items() if len(cell) > CELL_MAX), ""):
        wrong = long, f"it is longer than {CELL_MAX} characters"
        cells[long] = cells[long][:100]
    elif odd := next((name for name, cell in cells.items() if "\x00" in cell), ""):
        wrong = odd, "it holds a character that no text can: U+0000"
        cells[odd] = cells[odd].replace("\x00", "")
    else:
        wrong = "", ""
    return (
        line,
        orjson.dumps({name: cell.replace("\x00", "") for name, cell in cells.items()}).decode(),
        *wrong,
    )


@router.get(
    "/{import_id}",
    operation_id="get_import",
    summary="How far an import is, and which rows failed",
    dependencies=[requires("catalogue:read")],
    responses=PROBLEMS,
)
async def get_import(
    request: Request,
    asked: Allowed,
    import_id: ImportId,
    after: Annotated[int, Query(ge=0, lt=2**31, description="errors after this line")] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> ImportProgress:
    """Asked for again and again while it runs."""
    of = {"import_id": import_id, "merchant": asked.merchant}
    async with importer_of(request).pool.connection() as connection:
        cursor = await connection.execute(QUERIES.read_progress.sql.encode(), of)
        found = await cursor.fetchone()
        if found is None:
            raise not_found("import", str(import_id))
        cursor = await connection.execute(
            QUERIES.read_failed.sql.encode(), {**of, "after": after, "limit": limit}
        )
        errors = [RowFailed(line=row[0], column=row[1], message=row[2]) for row in await cursor.fetchall()]
    received_at, attempt, rows, done, failed, unreadable = found
    return ImportProgress(
        import_id=import_id,
        state="finished" if done + failed == rows else "running",
        received_at=received_at,
        attempt=attempt,
        rows=rows,
        done=done,
        failed=failed,
        unreadable=unreadable,
        errors=errors,
    )


@router.get(
    "/{import_id}/failed",
    operation_id="get_failed_rows",
    summary="The rows that failed, as a file to mend and upload again",
    dependencies=[requires("catalogue:read")],
    response_class=Response,
    responses={
        **PROBLEMS,
        200: {
            "content": {"text/csv": {"schema": {"type": "string", "format": "binary"}, "example": EXAMPLE}},
            "description": "CSV",
        },
    },
)
async def get_failed_rows(
    request: Request,
    asked: Allowed,
    import_id: ImportId,
    after: Annotated[int, Query(ge=0, lt=2**31, description="rows after this line")] = 0,
) -> Response:
    """A thousand at most; its last column, `error`, says what to do, and is passed over in an upload."""
    of = {"import_id": import_id, "merchant": asked.merchant}
    async with importer_of(request).pool.connection() as connection:
        cursor = await connection.execute(QUERIES.read_progress.sql.encode(), of)
        if await cursor.fetchone() is None:
            raise not_found("import", str(import_id))
        cursor = await connection.execute(
            QUERIES.read_failed.sql.encode(), {**of, "after": after, "limit": 1_000}
        )
        failed = await cursor.fetchall()
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([*COLUMNS, ERROR])
    for _, column, message, cells in failed:
        writer.writerow(
            [*(written(cells.get(name, "")) for name in COLUMNS), written(f"{column}: {message}")]
        )
    return Response(text.getvalue(), media_type="text/csv")


@router.post(
    "/{import_id}/retry",
    operation_id="retry_import",
    summary="Try the rows that failed again",
    status_code=202,
    dependencies=[requires("catalogue:write")],
    response_model=ImportTaken,
    responses={**PROBLEMS, **answers(202, "They are tried again in the background")},
)
async def retry_import(
    request: Request, asked: Allowed, import_id: ImportId, idempotency_key: Key = None
) -> Response:
    """As they were uploaded, for what was mended elsewhere: a SKU that is free now. Those that were done stay
    done; those that could not be read stay as they are: mend them in the file, and upload it again. While the
    import runs nothing is tried anew.
    """
    of = {"import_id": import_id, "merchant": asked.merchant}
    importer = importer_of(request)
    async with importer.pool.connection() as connection, connection.transaction():
        cursor = await connection.execute(QUERIES.read_progress.sql.encode(), of)
        found = await cursor.fetchone()
        if found is None:
            raise not_found("import", str(import_id))
        _, _, rows, done, failed, unreadable = found
        again = failed - unreadable
        if again and done + failed == rows:
            await connection.execute(QUERIES.try_again.sql.encode(), of)
    importer.uploaded.set()
    return await _positioned(request, {"import_id": str(import_id), "rows": again}, 202)
