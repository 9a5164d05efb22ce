"""What was a list becomes one path: each question follows what came before it, and of several answers to one question
the newest is shown."""

from django.db import migrations

BATCH = 1000


def make_paths(apps, schema_editor):
    Message = apps.get_model("chat", "Message")
    changed = []
    rows = Message.objects.exclude(state="pending").order_by("conversation_id", "pk")
    conversation, answers, questions = None, {}, []
    for row in rows.only("conversation_id", "role", "parent_id").iterator(chunk_size=2000):
        if row.conversation_id != conversation:
            changed += path_of(questions, answers)
            conversation, answers, questions = row.conversation_id, {}, []
        if row.role == "user":
            questions.append(row)
        elif row.parent_id is not None:
            answers.setdefault(row.parent_id, []).append(row)
        if len(changed) >= BATCH:
            save(Message, changed)
            changed = []
    save(Message, changed + path_of(questions, answers))


def path_of(questions, answers):
    """The rows of one conversation that change."""
    changed, before = [], None
    for question in questions:
        question.parent_id = before
        versions = answers.get(question.pk, [])
        if len(versions) > 1:
            for answer in versions:
                answer.first_version_id, answer.shown = versions[0].pk, answer is versions[-1]
            changed += versions
        if before is not None:
            changed.append(question)
        before = versions[-1].pk if versions else question.pk
    return changed


def save(Message, rows):
    Message.objects.bulk_update(rows, ["parent_id", "first_version_id", "shown"], batch_size=200)


class Migration(migrations.Migration):
    dependencies = [("chat", "0003_branches")]

    operations = [migrations.RunPython(make_paths, migrations.RunPython.noop)]
