from django.urls import path

from chatsite.dashboard import confirm, overview, pages, reading

app_name = "operations"
urlpatterns = [
    path("", overview.home, name="home"),
    path("dashboard/", overview.dashboard, name="dashboard"),
    path("dashboard/<slug:key>.csv", overview.csv_file, name="csv"),
    path("ratings/", overview.rated, name="ratings"),
    path("answers/", pages.streams, name="streams"),
    path("answers/<uuid:answer>/", reading.read, name="read"),
    path("lanes/", pages.lanes, name="lanes"),
    path("workers/", pages.workers, name="workers"),
    path("order/<slug:name>/<path:target>/", confirm.confirm, name="order"),
]
