"""The HTTP API."""

from __future__ import annotations

from services.api import run_api

main = run_api
