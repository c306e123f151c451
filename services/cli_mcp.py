"""`tillroll mcp`: the auditor's desk, for an assistant."""

from __future__ import annotations

import importlib.metadata
from typing import Annotated

import typer

from services.cli_run import run


def mcp(
    url: Annotated[
        str, typer.Option(envvar="TILLROLL_API_URL", help="Where the API is; else that of the running `up`.")
    ] = "",
    key: Annotated[
        str,
        typer.Option(envvar="TILLROLL_API_KEY", help="An API key, or an access token.", show_default=False),
    ] = "",
    merchant: Annotated[
        str, typer.Option(envvar="TILLROLL_MERCHANT", help="Whose data, for a key of several merchants.")
    ] = "",
    personal: Annotated[
        bool, typer.Option(help="Let it open personal fields, which the key must be allowed to, too.")
    ] = False,
) -> None:
    """Serve the audit API to an assistant: a read-only MCP server on standard input and output.

    It sees what the key may see; give it the key by its variable, since others can read arguments.
    """
    from services.audit.assistant import CannotAsk, serve  # noqa: PLC0415
    from services.runfile import read_run  # noqa: PLC0415
    from services.settings import Settings  # noqa: PLC0415

    key = key.strip()
    if not key:
        raise CannotAsk("set TILLROLL_API_KEY to an API key of who may audit")
    if not url:
        running = read_run(Settings().data_dir)
        if running is None:
            raise CannotAsk("no `tillroll up` runs here: set TILLROLL_API_URL to where the API is")
        host = str(running.settings["api_host"])
        url = f"http://{f'[{host}]' if ':' in host else host}:{running.settings['api_port']}"
    run(serve(url, key, merchant, importlib.metadata.version("tillroll"), personal=personal))
