"""Does a mail end in one outcome, whatever is recorded of it, and in whichever order?"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from domain.mail import MAIL, RecordMailFailure, RecordMailSent, RecordMailUnknown, RequestMail
from tests.property.machine import AggregateMachine
from tests.strategies import COMMANDS

FINAL = {"MailSent": "sent", "MailFailed": "failed"}


class MailMachine(AggregateMachine):
    """The model: whether it was requested, and what is known of it."""

    decider = MAIL

    def __init__(self) -> None:
        super().__init__()
        self.requested = False
        self.known = ""

    @rule(command=COMMANDS[RequestMail])
    def request(self, command: RequestMail) -> None:
        assert self.send(command) == ([] if self.requested else ["MailRequested"])
        self.requested = True

    @rule(command=COMMANDS[RecordMailSent] | COMMANDS[RecordMailFailure])
    def learn(self, command: RecordMailSent | RecordMailFailure) -> None:
        name = "MailSent" if isinstance(command, RecordMailSent) else "MailFailed"
        came = self.send(command)
        if not self.requested:
            assert came == "mail_exists"
        elif self.known in FINAL.values():
            assert came == []
        else:
            assert came == [name]
            self.known = FINAL[name]

    @rule(command=COMMANDS[RecordMailUnknown], twice=st.booleans())
    def lose(self, command: RecordMailUnknown, twice: bool) -> None:
        for _ in range(1 + twice):
            came = self.send(command)
            if not self.requested:
                assert came == "mail_exists"
            else:
                assert came == ([] if self.known else ["MailOutcomeUnknown"])
                self.known = self.known or "unknown"

    @invariant()
    def is_what_is_known(self) -> None:
        assert (self.state.requested, self.state.outcome) == (self.requested, self.known)
        names = [type(event).__name__ for event in self.stream]
        assert sum(name in FINAL for name in names) <= 1
        assert names.count("MailRequested") == self.requested


TestMail = MailMachine.TestCase
