"""What is running in a data directory? `run.json`: written by `tillroll up`, read by every other command."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from services.embedded.directory import write_private

NAME = "run.json"


class Run(BaseModel):
    """A running `up`: itself, the settings that it chose, and its processes (name -> pid, restarts, …)."""

    pid: int
    started_at_ticks: int | None
    settings: dict[str, str | int | dict[str, Any]]
    processes: dict[str, dict[str, int | bool | None]]


def write_run(data_dir: Path, settings: Mapping[str, Any], processes: Mapping[str, Any]) -> None:
    """Replace `run.json` whole, readable by its owner alone: the addresses hold passwords."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    run = Run(
        pid=os.getpid(),
        started_at_ticks=_started_at_ticks(os.getpid()),
        settings=dict(settings),
        processes=dict(processes),
    )
    write_private(data_dir / NAME, run.model_dump_json(indent=2))


def read_run(data_dir: Path) -> Run | None:
    """The system that runs in `data_dir` now. A file left by a killed one, or by another's pid, is nobody."""
    try:
        run = Run.model_validate_json((data_dir / NAME).read_bytes())
    except (OSError, ValidationError):
        return None
    started = _started_at_ticks(run.pid)
    return run if started is not None and started == run.started_at_ticks else None


def remove_run(data_dir: Path) -> None:
    """At the end of `up`; never another's file."""
    run = read_run(data_dir)
    if run is None or run.pid == os.getpid():
        (data_dir / NAME).unlink(missing_ok=True)


def _started_at_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since boot: with the pid, it names a process for good."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])
