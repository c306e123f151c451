"""Is there a column of the database that may hold a person, and that nobody thought of when erasing?

Each column of text or bytes says here why it holds none, or what becomes of it. A new one is red until then.
Tables of read models declare their personal columns themselves (`PERSONAL_COLUMNS`).
"""

from __future__ import annotations

from itertools import chain

import psycopg

from tests.integration.test_readme import ROOT

PAGE = ROOT / "docs/audit-erasure.md"
COLUMNS = """
SELECT c.table_name || '.' || c.column_name FROM information_schema.columns AS c
JOIN information_schema.tables AS t USING (table_schema, table_name)
WHERE table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.table_name !~ '_(g|at)[0-9]+$'
    AND c.data_type NOT IN (
        'bigint', 'integer', 'smallint', 'boolean', 'uuid', 'timestamp with time zone', 'date', 'numeric',
        'real', 'double precision'
    )
"""
DECLARED: dict[str, str] = {
    "names of ours: kinds, followers, states of work": """
        agent_processes.agent reactions.agent deadlines.agent deadlines.name provider_calls.gateway
        business_clocks.clock checkpoints.follower projection_attempts.follower parked.follower
        parked_answers.follower workers.name workers.teams read_models.name kept_read_models.name
        migrations.name migrations.sha256 events.type snapshots.form webhook_inbox.provider sessions.kind
        single_use_tokens.purpose look_ends.outcome looks.outcome looks.role looks.permission looks.method
        looks.route erasures.despite seal_halts.reason seal_cosignatures.witness
        seal_copies.place catalogue_import_rows.outcome catalogue_import_rows.column""",
    "ids, random or a merchant's own: the page says not to make them of people": """
        agent_processes.key reactions.key deadlines.key deadlines.merchant deadlines.correlation
        deadlines.causation deadlines.clock provider_calls.correlation parked.key parked_answers.key
        events.stream events.merchant events.correlation events.causation commands.merchant snapshots.stream
        webhook_inbox.webhook_id webhook_inbox.stream webhook_inbox.correlation members.merchant
        members.user_id credentials.user_id email_digests.user_id sessions.session_id sessions.user_id
        single_use_tokens.user_id refresh_tokens.session_id api_key_secrets.key_id api_key_secrets.merchant
        events.metadata looks.actor looks.merchant erasures.merchant erasures.actor
        mail_secrets.mail_id signing_keys.kid catalogue_imports.merchant catalogue_imports.actor""",
    "pseudonyms, by a key that is not in the database": "data_keys.subject erasures.subject",
    "personal values, where there are any, only as ciphertext, under the key that an erasure destroys": """
        events.data agent_processes.state reactions.commands snapshots.state
        commands.answer""",
    "that key": "data_keys.wrapped_key",
    "hashes of ciphertext and of nothing else": """
        events.leaf_hash snapshots.leaf_hash seal_checkpoints.root seal_checkpoints.note
        seal_cosignatures.line seal_tiles.root seal_tiles.hashes plays.dataset_digest""",
    "keys and digests of 256 random bits": """
        api_key_secrets.digest refresh_tokens.digest single_use_tokens.digest sessions.cookie_digest
        signing_keys.private_key signing_keys.public_jwk master_key.check_value seal_keys.key""",
    "emptied when a user is erased": """
        email_digests.digest credentials.password_hash credentials.totp_seed credentials.totp_pending
        credentials.recovery_digests sessions.client""",
}
KEPT = (
    "catalogue_import_rows.cells",
    "catalogue_import_rows.message",
    "catalogue_imports.digest",
    "commands.fingerprint",
    "erasures.reason",
    "looks.path",
    "looks.parameters",
    "mail_secrets.sealed",
    "parked.error",
    "parked_answers.error",
    "rates.key",
    "webhook_inbox.body",
)
"""What may still say something of a person: the page names each, and until when."""


def test_each_column_is_free_of_people_or_seen_to(database: str) -> None:
    with psycopg.connect(database) as connection:
        there = {name for (name,) in connection.execute(COLUMNS.encode())}
    declared = [*chain.from_iterable(map(str.split, DECLARED.values())), *KEPT]
    assert len(set(declared)) == len(declared), "one reason each"
    assert there - set(declared) == set(), (
        "may these hold a person? Say so here, and see to it in the erasure"
    )
    assert set(declared) - there == set(), "these are there no more"


def test_the_page_names_what_may_still_say_something() -> None:
    page = PAGE.read_text()
    assert [each for each in KEPT if f"`{each}`" not in page] == []
