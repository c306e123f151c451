"""What of the machine belongs to a run alone, so that its disk can be full and its network away?

A mount namespace with a small file system in memory, and a network namespace with its own loopback. Root may
have both; so may an ordinary user where the kernel lets them make a user namespace. A tmpfs can be resized
while it is in use: to what is used, and it is full, with the same ENOSPC that a disk gives.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
_MS_REMOUNT, _MS_REC, _MS_PRIVATE = 0x20, 0x4000, 0x40000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
DISK_BYTES = 6 * 2**30
"""More than Postgres may want (its WAL alone, 4 GiB); memory is taken for what is written only."""


def enter() -> bool:
    """Move this process, which must have one thread, to a ground of its own; False, unmoved, if it may not.

    Tried out by a child first: half a move would leave us with a network that can't be switched on.
    """
    child = os.fork()
    if child == 0:
        os._exit(_succeeds(_try_out))
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        return False
    _enter()
    return True


def _succeeds(work: Callable[[], None]) -> int:
    try:
        work()
    except OSError:
        return 1
    return 0


def _try_out() -> None:
    _enter()
    mount_disk(Path("/tmp"))  # seen by this child alone


def _enter() -> None:
    user, group = os.getuid(), os.getgid()
    if user == 0:
        _checked(_LIBC.unshare(_CLONE_NEWNS | _CLONE_NEWNET))
    else:
        _checked(_LIBC.unshare(_CLONE_NEWUSER | _CLONE_NEWNS | _CLONE_NEWNET))
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _checked(_LIBC.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None))
    switch_network(on=True)


def mount_disk(path: Path) -> None:
    """A file system of its own at `path`."""
    path.mkdir(parents=True, exist_ok=True)
    _mount(path, 0, f"size={DISK_BYTES},mode=0711")


def unmount_disk(path: Path, *, keep: bool) -> None:
    """Nobody may use it any more. What is on it goes with it, unless it is to be kept in its place."""
    beside = path.with_name(f"{path.name}.kept")
    if keep:
        subprocess.run(["cp", "--archive", path, beside], check=True)
    _checked(_LIBC.umount2(os.fsencode(path), 0))
    if keep:
        path.rmdir()
        beside.rename(path)


def fill_disk(path: Path) -> None:
    """From now on nothing more fits on it."""
    status = os.statvfs(path)
    _mount(path, _MS_REMOUNT, f"size={(status.f_blocks - status.f_bfree) * status.f_frsize}")


def empty_disk(path: Path) -> None:
    """There is room again."""
    _mount(path, _MS_REMOUNT, f"size={DISK_BYTES}")


def switch_network(*, on: bool) -> None:
    """Loopback, which is all the network there is: while it is off packets go nowhere, and nobody is told."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16sh14x", b"lo", 0)
        _, flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, asked))
        wanted = flags | _IFF_UP if on else flags & ~_IFF_UP
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", wanted))


def dying_with_us(number: signal.Signals) -> Callable[[], None]:
    """For `preexec_fn`: the child gets this signal when we die, however we do."""

    def ask() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)

    return ask


def _mount(path: Path, flags: int, options: str) -> None:
    _checked(_LIBC.mount(b"tmpfs", os.fsencode(path), b"tmpfs", flags, options.encode()))


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
