"""What the library constructs an application's persistence with, from its environment.

`TILLROLL_DATABASE_URL` is the database; `ORIGINATOR_ID_TYPE` is `uuid` (as a rule) or `text`;
`CREATE_TABLE=no` leaves the making of tables to somebody else; `APPLICATION_RECORDER_TOPIC`,
`TRACKING_RECORDER_TOPIC` and `PROCESS_RECORDER_TOPIC` name subclasses of our recorders. All that an
application has stands in the schema `<application>_events`.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args

from eventsourcing import persistence
from eventsourcing.persistence import InfrastructureFactory, Transcoder
from eventsourcing.utils import resolve_topic, strtobool

from eventstore.plugin.errors import library_errors
from eventstore.plugin.recorder import IdType, Recorder
from eventstore.plugin.tracking import TrackingRecorder

if TYPE_CHECKING:
    from eventstore.plugin.aggregates import AggregateRecorder
    from eventstore.plugin.application import ApplicationRecorder
    from eventstore.plugin.process import ProcessRecorder

DATABASE_URL = "TILLROLL_DATABASE_URL"
R = TypeVar("R", bound=Recorder)


class Factory(InfrastructureFactory[TrackingRecorder]):
    """Gives applications a mapper and recorders; what it opened is closed with it.

    It imports what it gives when it gives it: all that imports `eventstore` imports this class.
    """

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        url = self.env.get(DATABASE_URL)
        if not url:
            raise OSError(f"set {DATABASE_URL} to the database of the application's log")
        self._database_url = url
        self._recorders: list[Recorder] = []

    def mapper(
        self,
        transcoder: Transcoder | None = None,
        mapper_class: type[persistence.Mapper[Any]] | None = None,
    ) -> persistence.Mapper[Any]:
        from eventstore.plugin.mapper import Mapper  # noqa: PLC0415

        if mapper_class is None and not self.env.get(self.MAPPER_TOPIC):
            mapper_class = Mapper
        return super().mapper(transcoder, mapper_class)

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        from eventstore.plugin.aggregates import AggregateRecorder  # noqa: PLC0415

        return self._make(AggregateRecorder, purpose=purpose)

    def application_recorder(self) -> ApplicationRecorder:
        from eventstore.plugin.application import ApplicationRecorder  # noqa: PLC0415

        return self._make(self._named(self.APPLICATION_RECORDER_TOPIC, ApplicationRecorder))

    def tracking_recorder(
        self, tracking_recorder_class: type[TrackingRecorder] | None = None
    ) -> TrackingRecorder:
        kind = tracking_recorder_class or self._named(self.TRACKING_RECORDER_TOPIC, TrackingRecorder)
        return self._make(kind)

    def process_recorder(self) -> ProcessRecorder:
        from eventstore.plugin.process import ProcessRecorder  # noqa: PLC0415

        return self._make(self._named(self.PROCESS_RECORDER_TOPIC, ProcessRecorder))

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

    def _named(self, variable: str, base: type[R]) -> type[R]:
        """The class whose topic an environment variable holds, or `base`."""
        topic = self.env.get(variable)
        named = resolve_topic(topic) if topic else base
        if not (isinstance(named, type) and issubclass(named, base)):
            raise OSError(f"{variable} is {topic!r}, which is no subclass of {base.__name__} of ours")
        return named

    def _make(self, kind: type[R], **arguments: Any) -> R:
        from eventstore.plugin.tables import create_tables, in_schema, schema_of  # noqa: PLC0415

        id_type = self.env.get("ORIGINATOR_ID_TYPE", "uuid").lower()
        if id_type not in get_args(IdType):
            raise OSError(f"ORIGINATOR_ID_TYPE is {id_type!r}, and must be one of {get_args(IdType)}")
        schema = schema_of(self.env.name)
        with library_errors():
            if strtobool(self.env.get("CREATE_TABLE") or "yes"):
                create_tables(self._database_url, schema, kind)
        recorder = kind(in_schema(self._database_url, schema), id_type=cast(IdType, id_type), **arguments)
        self._recorders.append(recorder)
        return recorder
