"""A category of the catalogue, and what it is called in English."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from domain.kernel import Command, Decider, Event

Id = Annotated[str, Field(min_length=1, max_length=200)]


class CategoryTranslated(Event):
    category: Id
    english: Id


class TranslateCategory(Command):
    creates = True
    category: Id
    english: Id


@dataclass(frozen=True, slots=True)
class Category:
    """The last fact known, so that translating the same again changes nothing."""

    translated: CategoryTranslated | None = None


def decide(command: TranslateCategory, category: Category) -> tuple[CategoryTranslated, ...]:
    fact = CategoryTranslated(**dict(command))
    return () if fact == category.translated else (fact,)


def evolve(_: Category, event: CategoryTranslated) -> Category:
    return Category(event)


CATEGORY: Decider[TranslateCategory, CategoryTranslated, Category] = Decider(
    "category",
    decide,
    evolve,
    Category(),
    events=(CategoryTranslated,),
    commands=(TranslateCategory,),
    parts=("merchant", "category"),
)
