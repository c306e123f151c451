"""What do all requests and journal lines of the worlds have in common, and how is a request refused?"""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

# an id of the caller's: any text, but not without end
Id = Annotated[str, Field(min_length=1, max_length=500)]
Cents = Annotated[int, Field(gt=0, le=10**15)]


class Model(BaseModel):
    """A request's body: strict, closed and never changed after it was read."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Line(Model):
    """One line of the journal. The fields of these classes are the storage format: they may grow optional
    fields, and never lose or rename one."""

    @property
    def wall_clock_subject(self) -> str | None:
        """What this line brought into being that lives on the wall clock, which nobody moves."""
        return None


@dataclass(eq=False)
class Refused(Exception):
    """An answer other than 200, as a problem document (RFC 9457) or as the wire has it; nothing was changed.

    `param` is the field that is wrong, `shown` what the answer shows beside the error.
    """

    status: int
    code: str
    detail: str
    param: str = ""
    shown: Any = None

    @property
    def title(self) -> str:
        return self.code.replace("_", " ").capitalize()
