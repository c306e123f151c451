"""Which servers does Tillroll bring along? Postgres 18 and NATS with JetStream, as supervised children."""

from services.embedded.children import ServerFailed
from services.embedded.nats import NatsServer
from services.embedded.postgres import PostgresServer, owner_of_embedded
from services.embedded.reachable import Unreachable, check_database, check_nats

__all__ = [
    "NatsServer",
    "PostgresServer",
    "ServerFailed",
    "Unreachable",
    "check_database",
    "check_nats",
    "owner_of_embedded",
]
