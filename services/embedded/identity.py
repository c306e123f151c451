"""As whom do the embedded servers run? As the caller, or, since Postgres refuses root, as an unprivileged id.

Nothing above a server's own directory is opened for that id: a server is started *inside* its directory
and reaches it as its working directory, which needs no right on the folders above.
"""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

PREFERRED_USERS = ("tillroll", "postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Identity:
    """A user whom a server becomes. It has a name, because initdb insists on one."""

    name: str
    user: int
    group: int

    def give(self, path: Path) -> None:
        os.chown(path, self.user, self.group, follow_symlinks=False)

    def may_read(self, path: Path) -> bool:
        """Whether mode bits let this user read (a program: run) `path` and pass every folder above it."""
        path = path.resolve()
        is_program = path.stat().st_mode & stat.S_IXUSR
        wanted = stat.S_IROTH | stat.S_IXOTH if is_program else stat.S_IROTH
        return self._has(path, wanted) and all(self._has(parent, stat.S_IXOTH) for parent in path.parents)

    def _has(self, path: Path, bits: int) -> bool:
        status = path.stat()
        if status.st_uid == self.user:
            granted = status.st_mode >> 6
        elif status.st_gid == self.group:
            granted = status.st_mode >> 3
        else:
            granted = status.st_mode
        return granted & bits == bits


def server_identity(owned: Path) -> Identity | None:
    """Who runs the server whose directory is `owned`: None for the caller. An existing owner stays."""
    if os.geteuid() != 0:
        return None
    if owned.exists() and (owner := owned.stat().st_uid) != 0:
        return _identity(pwd.getpwuid(owner))
    for name in PREFERRED_USERS:
        try:
            return _identity(pwd.getpwnam(name))
        except KeyError:
            continue
    raise LookupError(
        f"Postgres does not run as root, and none of the users {PREFERRED_USERS} exists: add one"
    )


def _identity(entry: pwd.struct_passwd) -> Identity:
    return Identity(entry.pw_name, entry.pw_uid, entry.pw_gid)
