"""Which of a merchant's warehouses and carriers take nothing new for a while in a simulation? One by one."""

from __future__ import annotations

from collections.abc import Iterator

from domain.carrier.carriers import ResumeCarrier, SetChoiceRule, SuspendCarrier, UnitMeasures
from domain.carrier.choice import ChoiceRule
from domain.kernel import Command, one
from domain.streams import carriers_stream, warehouses_stream
from domain.warehouse.network import ChangeWarehouse, CloseWarehouse, OpenWarehouse
from services.simulation.acts import Act, as_it_is
from services.simulation.plan import PlannedPause
from services.simulation.rules import SITES


def acts_of(pause: PlannedPause) -> Iterator[Act]:
    """While it is away something else changes, too: a warehouse's name, or by which rule carriers are
    chosen."""
    what, merchant = pause.what, pause.merchant
    if pause.kind == "carrier":
        stream = carriers_stream(merchant)
        rule = SetChoiceRule(rule=ChoiceRule(prefer=pause.prefer), unit=UnitMeasures())
        commands: tuple[Command, ...] = (SuspendCarrier(carrier=what), rule, ResumeCarrier(carrier=what))
    else:
        stream = warehouses_stream(merchant)
        state, prefix = SITES[what]
        changed = ChangeWarehouse(warehouse=what, name=f"{what} again", state=state, zip_prefix=prefix)
        commands = (CloseWarehouse(warehouse=what), changed, OpenWarehouse(warehouse=what))
    times = (pause.after_s, pause.for_s / 2, pause.for_s / 2)
    for command, after_s in zip(commands, times, strict=True):
        yield Act(after_s, type(command).__name__, as_it_is(one(stream, command)))
