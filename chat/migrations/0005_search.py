"""Words of questions and of ended answers, for PostgreSQL; SQLite looks at the texts themselves (`chat.search`)."""

from django.db import migrations

# More than 100,000 characters could pass the 1 MB that a tsvector may have, and then the row could not be written.
VECTOR = "to_tsvector('simple', left(text, 100000))"
MAKE = (
    f"CREATE INDEX message_words ON chat_message USING gin ({VECTOR})",
    # Not the checkpoints of running answers: they are written every two seconds.
    f"CREATE INDEX generation_words ON streaming_generation USING gin ({VECTOR}) "
    "WHERE status IN ('completed', 'expired', 'failed', 'interrupted', 'stopped')",
)
DROP = ("DROP INDEX message_words", "DROP INDEX generation_words")


def run(statements):
    def work(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            for statement in statements:
                schema_editor.execute(statement)

    return work


class Migration(migrations.Migration):
    dependencies = [("chat", "0004_paths"), ("streaming", "0006_token_budgets")]

    operations = [migrations.RunPython(run(MAKE), run(DROP))]
