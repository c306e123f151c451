"""Is the database as its walls want it? What must be so of all tables, views, functions and roles."""

from __future__ import annotations

from typing import Any, NamedTuple

import psycopg

IN_PUBLIC = "= 'public'::regnamespace"


class Check(NamedTuple):
    """What the statement finds, in one column, must be just `expected`."""

    what: str
    statement: str
    expected: frozenset[str] = frozenset()


CHECKS = (
    Check(
        "tables without a wall",
        f"""SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace {IN_PUBLIC}
        AND (relowner = 'tillroll_project'::regrole OR relname ~ '_g[0-9]+$' OR relname = 'events')
        AND NOT (relrowsecurity AND relforcerowsecurity)""",
    ),
    Check(
        "policies of the tables of read models",
        """SELECT DISTINCT coalesce((
            SELECT string_agg(p.polname, ' ' ORDER BY p.polname) FROM pg_policy AS p WHERE p.polrelid = c.oid
        ), '') FROM pg_class AS c WHERE c.relname ~ '_g[0-9]+$' AND c.relkind = 'r'""",
        frozenset({"project read"}),
    ),
    Check(
        "views that see with their owner's eyes; these show numbers, and no names",
        f"""SELECT relname FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace {IN_PUBLIC}
        AND NOT coalesce(reloptions, '{{}}') @> '{{security_invoker=true}}'""",
        frozenset({"parked_keys", "left_out"}),
    ),
    Check(
        "functions that run as the log's owner",
        f"SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace {IN_PUBLIC}",
        frozenset(
            {
                *("append_batch", "log_head", "leaf_hashes", "recorded_at_of", "hold_seal_lease"),
                *("position_of_event", "position_at"),
            }
        ),
    ),
    Check(
        "such functions that look for names where their caller wants",
        f"""SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace {IN_PUBLIC} AND NOT EXISTS (
            SELECT FROM unnest(proconfig) AS c WHERE c LIKE 'search_path=%pg_temp'
        )""",
    ),
    Check(
        "functions that anybody may call",
        f"""SELECT p.proname FROM pg_proc AS p,
            aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
        WHERE p.pronamespace {IN_PUBLIC} AND a.grantee = 0""",
    ),
    Check(
        "tables that anybody may read",
        f"""SELECT c.relname FROM pg_class AS c, aclexplode(c.relacl) AS a
        WHERE c.relnamespace {IN_PUBLIC} AND a.grantee = 0""",
    ),
    Check(
        "what others than its owner may do to the log",
        f"""SELECT DISTINCT a.privilege_type FROM pg_class AS c, aclexplode(c.relacl) AS a
        WHERE c.relname = 'events' AND a.grantee <> c.relowner AND c.relnamespace {IN_PUBLIC}""",
        frozenset({"SELECT"}),
    ),
    Check(
        "who may append",
        f"""SELECT DISTINCT a.grantee::regrole::text FROM pg_proc AS p, aclexplode(p.proacl) AS a
        WHERE p.proname = 'append_batch' AND a.grantee <> p.proowner AND p.pronamespace {IN_PUBLIC}""",
        frozenset({"tillroll_write"}),
    ),
    Check(
        "roles that are more than they should be",
        """SELECT rolname FROM pg_roles WHERE rolname LIKE 'tillroll_%'
        AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)""",
    ),
    Check(
        "roles that are others as well",
        "SELECT member::regrole::text FROM pg_auth_members WHERE member::regrole::text LIKE 'tillroll_%'",
    ),
)


def check_walls(database: str) -> None:
    """All of it, as the owner sees it."""
    with psycopg.connect(database) as owner:
        for check in CHECKS:
            rows: list[tuple[Any, ...]] = owner.execute(check.statement.encode()).fetchall()
            assert {name for (name,) in rows} == check.expected, check.what
