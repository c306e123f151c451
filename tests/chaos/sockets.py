"""How are the TCP connections of one server reset, while both ends live on?

The kernel does it when it is asked over netlink (`SOCK_DESTROY`, as `ss --kill` does), in our own network.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

_NETLINK_SOCK_DIAG = 4
_SOCK_DESTROY = 21
_REQUEST_WITH_ANSWER = 0x01 | 0x04
_ESTABLISHED = "01"
_ANY_STATE = 0xFFFFFFFF
_NO_COOKIE = b"\xff" * 8
_NLMSG_ERROR = 2


def reset_connections(port: int) -> int:
    """The client's end of every connection to `port`, of which the other end is told; how many there were."""
    ends = list(_ends(port))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as netlink:
        for end in ends:
            body = struct.pack("=BBBxI", socket.AF_INET, socket.IPPROTO_TCP, 0, _ANY_STATE) + end
            head = struct.pack("=IHHII", 16 + len(body), _SOCK_DESTROY, _REQUEST_WITH_ANSWER, 1, 0)
            netlink.send(head + body)
            _check(netlink.recv(4096))
    return len(ends)


def _check(answer: bytes) -> None:
    kind, error = struct.unpack_from("=4xH10xi", answer)
    if kind == _NLMSG_ERROR and error not in (0, -2):  # -2: it ended meanwhile
        raise OSError(-error, "the kernel resets no connection")


def _ends(port: int) -> Iterator[bytes]:
    """`struct inet_diag_sockid` of each client's end: ports and addresses, any interface, any cookie."""
    for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, *_ = line.split()
        here, there = _address(local), _address(remote)
        if state == _ESTABLISHED and port == there[1]:
            ports = struct.pack(">HH", here[1], there[1])
            yield ports + here[0].ljust(16, b"\0") + there[0].ljust(16, b"\0") + bytes(4) + _NO_COOKIE


def _address(text: str) -> tuple[bytes, int]:
    """The address, as it lies in memory, and the port."""
    address, port = text.split(":")
    return struct.pack("=I", int(address, 16)), int(port, 16)
