"""What does a parcel weigh, and how large is it, before anybody has measured it? By what is in it.

A merchant's usual unit stands for what the catalogue does not know. The box is the smallest that has room for
the largest of the units and for the volume of all, its sides as alike as may be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isqrt, prod
from typing import TypeAlias

from domain.carrier.carriers import UnitMeasures
from domain.carrier.shipment_messages import Measures, ParcelLine, Weighed, WeighedBy

GRAMS_MAX, MILLIMETRES_MAX = 10**8, 10**5
Sides: TypeAlias = tuple[int, int, int]
"""Millimetres, the longest first; 0 is unknown."""


def weighed(
    lines: Sequence[ParcelLine],
    units: int,
    catalogue: Mapping[str, Measures],
    unit: UnitMeasures,
    measured: Measures | None = None,
) -> Weighed:
    """By what staff `measured`, else by the catalogue, which has measures of one unit by SKU.

    Without lines there are so many `units`, of which nothing more is known.
    """
    contents = [(line.quantity, catalogue.get(line.sku, Measures())) for line in lines]
    contents = contents or [(units, Measures())]
    grams = sum(n * (each.weight_g or unit.weight_g) for n, each in contents)
    sides = _box([(n, _sides(each) if any(_sides(each)) else _sides(unit)) for n, each in contents])
    by_staff = measured or Measures()
    length, width, height = _as_measured(by_staff) if any(_sides(by_staff)) else sides
    return Weighed(
        weight_g=by_staff.weight_g or min(GRAMS_MAX, grams),
        length_mm=min(MILLIMETRES_MAX, length),
        width_mm=min(MILLIMETRES_MAX, width),
        height_mm=min(MILLIMETRES_MAX, height),
        by="staff" if by_staff.weight_g else _by([each for _, each in contents]),
    )


def _by(catalogue: Sequence[Measures]) -> WeighedBy:
    """Whose weights they are."""
    known = [each.weight_g > 0 for each in catalogue]
    return "catalogue" if all(known) else "catalogue_in_part" if any(known) else "unit"


def _as_measured(each: Measures | UnitMeasures) -> Sides:
    return each.length_mm, each.width_mm, each.height_mm


def _sides(each: Measures | UnitMeasures) -> Sides:
    short, middle, long = sorted(_as_measured(each))
    return long, middle, short


def _box(contents: Sequence[tuple[int, Sides]]) -> Sides:
    """Of so many units of each shape."""
    long, middle, short = (max(sides) for sides in zip(*(sides for _, sides in contents), strict=True))
    volume = sum(n * prod(sides) for n, sides in contents)
    if volume > long * middle * short:
        short = _up(volume, long * middle)
    if short > middle:
        short = middle = isqrt(_up(volume, long) - 1) + 1
    if middle > long:
        side = round(volume ** (1 / 3))
        long = middle = short = side + (side**3 < volume)
    return long, middle, short


def _up(volume: int, by: int) -> int:
    return -(-volume // by)
