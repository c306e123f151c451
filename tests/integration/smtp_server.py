"""A mail server of a few commands, that breaks where a test wants it to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class SmtpServer:
    """`faults` holds what it answers in place of the right thing, by the command's name, each once.

    `TEXT` is the answer to a mail's text. An empty answer hangs up; `None` says nothing at all.
    """

    port: int = 0
    extensions: tuple[str, ...] = ("SIZE 1000000",)
    faults: list[tuple[str, str | None]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    """Texts that it has answered for, or would have."""
    commands: list[str] = field(default_factory=list)
    sessions: int = 0

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sessions += 1
        try:
            await self._say(writer, "HELLO", "220 ready")
            while line := (await reader.readline()).decode().strip():
                self.commands.append(line)
                name = line.split()[0].upper()
                if not await self._say(writer, name, self._answer(name)) or name == "QUIT":
                    return
                if name == "DATA" and not await self._take_text(reader, writer):
                    return
        except _HungUp:
            pass
        finally:
            writer.close()

    def _answer(self, name: str) -> str:
        if name == "EHLO":
            lines = ["mail.example", *self.extensions]
            return "\r\n".join(f"250{'-' if each is not lines[-1] else ' '}{each}" for each in lines)
        return {"DATA": "354 go on", "QUIT": "221 bye"}.get(name, "250 fine")

    async def _take_text(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if not self.is_open_for_text:
            return True
        text = (await reader.readuntil(b"\r\n.\r\n")).decode()
        self.taken.append(text)
        return await self._say(writer, "TEXT", "250 taken")

    async def _say(self, writer: asyncio.StreamWriter, name: str, answer: str) -> bool:
        said: str | None = answer
        if self.faults and self.faults[0][0] == name:
            said = self.faults.pop(0)[1]
        self.is_open_for_text = name == "DATA" and said is not None and said.startswith("354")
        if said is None:
            await asyncio.Event().wait()
        if not said:
            raise _HungUp
        writer.write(f"{said}\r\n".encode())
        await writer.drain()
        return True


class _HungUp(Exception):
    pass


@asynccontextmanager
async def smtp_running() -> AsyncIterator[SmtpServer]:
    """On loopback, on a free port."""
    smtp = SmtpServer()
    sessions: set[asyncio.Task[None]] = set()

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        sessions.add(task)
        try:
            await smtp.serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.close()
        finally:
            sessions.discard(task)

    server = await asyncio.start_server(session, "127.0.0.1", 0)
    smtp.port = server.sockets[0].getsockname()[1]
    try:
        yield smtp
    finally:
        server.close()
        for task in list(sessions):
            task.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)
