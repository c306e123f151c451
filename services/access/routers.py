"""What does the API offer to who comes in?"""

from __future__ import annotations

from services.access import routes, routes_keys, routes_me, routes_password, routes_platform, routes_users

ROUTERS = (
    routes.router,
    routes_me.router,
    routes_password.router,
    routes_users.router,
    routes_keys.router,
    routes_platform.router,
)
TAGS = [
    {"name": "auth", "description": "Who are you? Sign-in, sessions, passwords, second factors."},
    {"name": "users", "description": "Who may do what: members of a merchant, and users of the platform."},
    {"name": "keys", "description": "Ways in for programs."},
]
"""For the OpenAPI document."""
