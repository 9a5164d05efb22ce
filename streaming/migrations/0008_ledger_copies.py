from django.db import migrations, models


def copy_from_generations(apps, schema_editor):
    """What older attempts were for, and that no rollup has them yet."""
    Attempt = apps.get_model("streaming", "Attempt")
    Generation = apps.get_model("streaming", "Generation")
    own = Generation.objects.filter(pk=models.OuterRef("generation_id"))
    Attempt.objects.filter(generation__isnull=False).update(
        user_id=models.Subquery(own.values("user_id")[:1]),
        model=models.Subquery(own.values("model")[:1]),
        lane=models.Subquery(own.values("lane")[:1]),
    )


class Migration(migrations.Migration):

    dependencies = [("streaming", "0007_ledger")]

    operations = [migrations.RunPython(copy_from_generations, migrations.RunPython.noop, elidable=True)]
