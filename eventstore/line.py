"""How does a batch reach Postgres with the least ado? libpq driven straight from the event loop.

psycopg's own wait registers and unregisters the socket for each call, which costs more than the append
itself. Here the socket stays registered, and a call is one send and one future; one call at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
from collections.abc import Sequence

import psycopg
from psycopg.pq import Format
from psycopg.pq.abc import PGresult

from eventstore.connections import Connection

# Longer than the server's own time-outs: it is for a server that can't even say so.
CALL_SECONDS_MAX = 60.0


class Line:
    """A connection that belongs to one worker; nobody else may use it meanwhile."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._socket = self._pgconn.socket
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[PGresult] | None = None
        self._result: PGresult | None = None
        self._writing = False
        self._more = select.poll()
        self._more.register(self._socket, select.POLLIN)
        self._loop.add_reader(self._socket, self._read)

    async def call(self, statement: bytes, arguments: Sequence[bytes]) -> PGresult:
        """Run a prepared statement with binary arguments; the answer, in text, may be an error of the server.

        Raises OperationalError when the connection is lost: whether the call was done is unknown.
        """
        if self._socket < 0:
            raise psycopg.OperationalError("the connection was lost")
        formats = [Format.BINARY] * len(arguments)
        self._answer = self._loop.create_future()
        timer = self._loop.call_later(
            CALL_SECONDS_MAX, self._lost, psycopg.OperationalError("no answer in time")
        )
        try:
            self._pgconn.send_query_prepared(statement, arguments, formats, Format.TEXT)
            self._write()
            return await self._answer
        finally:
            timer.cancel()
            self._answer = None

    async def close(self) -> None:
        self._unregister()
        with contextlib.suppress(psycopg.Error, OSError):
            await self._connection.close()

    def _write(self) -> None:
        try:
            unsent = self._pgconn.flush()
        except psycopg.Error as error:
            self._lost(error)
            return
        if unsent:
            self._loop.add_writer(self._socket, self._write)
        elif self._writing:
            self._loop.remove_writer(self._socket)
        self._writing = unsent != 0

    def _read(self) -> None:
        """Take in all that there is, unless that was the answer: who waits for more may not be called again.

        Of a connection that ended with an error uvloop tells once, and the server's last words come first.
        """
        try:
            self._pgconn.consume_input()
            while not self._answered() and self._more.poll(0):
                self._pgconn.consume_input()
        except psycopg.Error as error:
            self._lost(error)

    def _answered(self) -> bool:
        """Whether a call has its whole answer now."""
        while not self._pgconn.is_busy():
            result = self._pgconn.get_result()
            if result is None:
                break
            self._result = result
        else:
            return False
        result, self._result = self._result, None
        if not (self._answer and not self._answer.done() and result):
            return False
        self._answer.set_result(result)
        return True

    def _lost(self, error: psycopg.Error) -> None:
        self._unregister()
        if self._answer and not self._answer.done():
            self._answer.set_exception(error)

    def _unregister(self) -> None:
        if self._socket >= 0:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket = -1
