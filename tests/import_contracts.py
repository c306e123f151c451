"""An import contract of our own, for `lint-imports`: the contexts of a folder do not know one another."""

from __future__ import annotations

from grimp import ImportGraph
from importlinter import ContractCheck, fields
from importlinter.contracts.independence import IndependenceContract
from importlinter.domain.imports import ModuleExpression

from domain.contexts import modules_of


class ContextsAreIndependent(IndependenceContract):
    """Of each other, whichever are registered: `folder` is the package that they are in."""

    type_name = "contexts_are_independent"
    modules = fields.SetField(subfield=fields.ModuleExpressionField(), required=False)
    folder = fields.StringField()

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        self.modules = {ModuleExpression(each.__name__) for each in modules_of(self.folder)}
        return super().check(graph, verbose)
