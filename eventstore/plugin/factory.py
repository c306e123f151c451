"""What the library constructs an application's persistence with, from its environment.

`TILLROLL_DATABASE_URL` is the database; `ORIGINATOR_ID_TYPE` is `uuid` (as a rule) or `text`;
`CREATE_TABLE=no` leaves the making of tables to somebody else. An application's log lives in the schema
`<application>_events`.
"""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any, cast, get_args

import psycopg
from eventsourcing import persistence
from eventsourcing.persistence import InfrastructureFactory, NotSupportedError, Transcoder
from eventsourcing.utils import strtobool
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from eventstore.plugin.errors import library_errors
from eventstore.plugin.mapper import Mapper
from eventstore.plugin.recorder import ApplicationRecorder, IdType
from eventstore.schema import migrate

DATABASE_URL = "TILLROLL_DATABASE_URL"
LOG_MIGRATION = "0001_log.sql"
APPLICATION_NAME_MAX = 56  # of the 63 bytes of a name in Postgres


class Factory(InfrastructureFactory[persistence.TrackingRecorder]):
    """Gives applications a mapper and a recorder; what it opened is closed with it."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        url = self.env.get(DATABASE_URL)
        if not url:
            raise OSError(f"set {DATABASE_URL} to the database of the application's log")
        self._database_url = url
        self._recorders: list[ApplicationRecorder] = []

    def mapper(
        self,
        transcoder: Transcoder | None = None,
        mapper_class: type[persistence.Mapper[Any]] | None = None,
    ) -> persistence.Mapper[Any]:
        if mapper_class is None and not self.env.get(self.MAPPER_TOPIC):
            mapper_class = Mapper
        return super().mapper(transcoder, mapper_class)

    def application_recorder(self) -> ApplicationRecorder:
        id_type = self.env.get("ORIGINATOR_ID_TYPE", "uuid").lower()
        if id_type not in get_args(IdType):
            raise OSError(f"ORIGINATOR_ID_TYPE is {id_type!r}, and must be one of {get_args(IdType)}")
        schema = _schema_of(self.env.name)
        with library_errors():
            if strtobool(self.env.get("CREATE_TABLE") or "yes"):
                _create_log(self._database_url, schema)
        recorder = ApplicationRecorder(_in_schema(self._database_url, schema), id_type=cast(IdType, id_type))
        self._recorders.append(recorder)
        return recorder

    def aggregate_recorder(self, purpose: str = "events") -> persistence.AggregateRecorder:
        raise NotSupportedError(f"there is no recorder of {purpose} without an application sequence")

    def tracking_recorder(self, tracking_recorder_class: Any = None) -> persistence.TrackingRecorder:
        raise NotSupportedError("there is no recorder of tracking records")

    def process_recorder(self) -> persistence.ProcessRecorder:
        raise NotSupportedError("there is no recorder of tracking records")

    def close(self) -> None:
        while self._recorders:
            self._recorders.pop().close()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        super().__exit__(exc_type, exc_val, exc_tb)
        self.close()


def _schema_of(application: str) -> str:
    plain = re.sub(r"[^a-z0-9_]", "_", application.lower()) or "stored"
    if len(plain) > APPLICATION_NAME_MAX:
        raise OSError(f"the application's name {application!r} is too long for a schema's")
    return f"{plain}_events"


def _in_schema(database_url: str, schema: str) -> str:
    """The URL of the same database, whose unqualified names are those of this schema."""
    options = conninfo_to_dict(database_url).get("options") or ""
    return make_conninfo(database_url, options=f"{options} -c search_path={schema}")


def _create_log(database_url: str, schema: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
    migrate(_in_schema(database_url, schema), only=(LOG_MIGRATION,))
