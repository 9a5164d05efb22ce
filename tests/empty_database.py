"""After a test that committed: an empty database, but for what the migrations themselves brought.

Django empties all of it and makes content types and permissions anew, which takes as long as many a test does.
"""

from __future__ import annotations

from typing import Final

from django.core.management.color import no_style
from django.db import connections
from django.test import TransactionTestCase

from streaming import operators

#: Who may do what is decided by migrations alone; no test writes there.
KEPT: Final = frozenset({"django_content_type", "auth_permission"})


def empty_databases(case: TransactionTestCase) -> None:
    """Stands for `TransactionTestCase._fixture_teardown`."""
    for name in case._databases_names(include_mirrors=False):  # type: ignore[attr-defined]
        connection = connections[name]
        there = connection.introspection.django_table_names(only_existing=True, include_views=False)
        tables = [table for table in there if table not in KEPT]
        sql = connection.ops.sql_flush(no_style(), tables, reset_sequences=False, allow_cascade=False)
        connection.ops.execute_sql_flush(sql)
    operators.make_group()
