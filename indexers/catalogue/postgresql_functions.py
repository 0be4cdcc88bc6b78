"""The functions in SQL that a catalogue in PostgreSQL brings along, under the names by which SQLite has them."""

from __future__ import annotations

import sys
from functools import cache

from sqlalchemy.engine import Connection

COLLATIONS = "pg_c_utf8", "und-x-icu", "C.utf8", "en_US.utf8"
"""Collations that know the case of letters of all scripts, the best first; no server has all of them."""

SIMPLE = """
CREATE OR REPLACE FUNCTION instr(value text, part text) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT strpos(value, part) $$;

CREATE OR REPLACE FUNCTION hex(data bytea) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT upper(encode(data, 'hex')) $$;

CREATE OR REPLACE FUNCTION listed(ids text) RETURNS TABLE (value bigint)
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT unnest(CAST(translate(ids, '[]', '{}') AS bigint[])) $$;
"""

SPREAD = """
CREATE OR REPLACE FUNCTION spread(metadata json, steps text) RETURNS TABLE (value jsonb)
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
WITH RECURSIVE walk(depth, place) AS (
    SELECT 0, metadata
    UNION ALL
    SELECT depth + 1, part.value
    FROM walk, json_each(CASE json_typeof(place) WHEN 'object' THEN place ELSE '{}' END) AS part
    WHERE normalize(part.key, NFC) = CAST(steps AS json) ->> depth AND NOT (depth = 0 AND part.key = '$apart')
), leaf(inside, place) AS (
    SELECT false, place FROM walk WHERE depth = json_array_length(CAST(steps AS json))
    UNION ALL
    SELECT true, part.value
    FROM leaf, json_each(CASE json_typeof(place) WHEN 'object' THEN place ELSE '{}' END) AS part
), part(inside, element, kind, content) AS (
    SELECT inside, false, json_typeof(place), place FROM leaf WHERE json_typeof(place) NOT IN ('object', 'array')
    UNION ALL
    SELECT inside, true, 'null', NULL FROM leaf
    WHERE CASE WHEN json_typeof(place) IN ('object', 'array') THEN CAST(place AS jsonb) IN ('{}', '[]') END
    UNION ALL
    SELECT inside, true, json_typeof(content.value), content.value
    FROM leaf, json_array_elements(CASE json_typeof(place) WHEN 'array' THEN place ELSE '[]' END) AS content
)
SELECT jsonb_build_array(
    inside,
    element,
    CASE kind WHEN 'number' THEN
        CASE
            WHEN abs(CAST(content #>> '{}' AS numeric)) < 9223372036854775808 THEN CAST(content #>> '{}' AS numeric)
            ELSE CAST(CAST(CAST(content #>> '{}' AS double precision) AS text) AS numeric)
        END
    END,
    CASE kind WHEN 'string' THEN normalize(content #>> '{}', NFC) END,
    CASE kind WHEN 'boolean' THEN CAST(content #>> '{}' AS boolean) END
)
FROM part
$$
"""
"""What `spread_path` of `indexers.catalogue.metadata` does."""


def list_functions(connection: Connection) -> list[str]:
    """Return the statements that create the functions on this server."""
    known = set(connection.exec_driver_sql("SELECT collname FROM pg_collation").scalars())
    collation = next((name for name in COLLATIONS if name in known), "default")
    return [*(part for part in SIMPLE.split("\n\n") if part.strip()), SPREAD, _write_fold(collation)]


def _write_fold(collation: str) -> str:
    """Return the function that does what `fold_text` does: what lower() leaves of case folding is replaced here."""
    singles, others = _list_residue()
    lower = f'lower(normalize(value, NFC) COLLATE "{collation}") COLLATE "C"'
    folded = f"translate({lower}, '{''.join(singles)}', '{''.join(singles.values())}')"
    for letter, letters in others.items():
        folded = f"replace({folded}, '{letter}', '{letters}')"
    return f"""
CREATE OR REPLACE FUNCTION fold(value text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
SELECT CASE
    WHEN octet_length(value) = length(value) THEN lower(value COLLATE "C")
    WHEN {lower} !~ '[{"".join([*singles, *others])}\u0307]'
    THEN {lower}
    ELSE normalize(replace({folded}, 'i\u0307', 'i'), NFC)
END
$$
"""


@cache
def _list_residue() -> tuple[dict[str, str], dict[str, str]]:
    """Return the small letters that case folding still changes, such as ς: into one letter, and into several."""
    letters = (chr(code) for code in range(128, sys.maxunicode + 1) if not 0xD800 <= code < 0xE000)
    residue = {letter: letter.casefold() for letter in letters if letter.casefold() != letter == letter.lower()}
    singles = {letter: folded for letter, folded in residue.items() if len(folded) == 1}
    return singles, {letter: folded for letter, folded in residue.items() if len(folded) > 1}
