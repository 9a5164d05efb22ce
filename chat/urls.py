from django.urls import path

from chat import preferences, views, words

urlpatterns = [
    path("", views.home, name="home"),
    path("theme/", preferences.choose_theme, name="choose_theme"),
    path("words/<str:language>.js", words.catalogue, name="words"),
    path("conversations/new/", views.conversation_new, name="conversation_new"),
    path("conversations/<uuid:conversation_id>/", views.conversation, name="conversation"),
    path("conversations/<uuid:conversation_id>/messages/", views.conversation_messages, name="conversation_messages"),
    path(
        "conversations/<uuid:conversation_id>/export.<str:kind>", views.conversation_export, name="conversation_export"
    ),
    path("conversations/<uuid:conversation_id>/rename/", views.conversation_rename, name="conversation_rename"),
    path("conversations/<uuid:conversation_id>/people/", views.conversation_add_person, name="conversation_add_person"),
    path(
        "conversations/<uuid:conversation_id>/people/<int:person_id>/remove/",
        views.conversation_remove_person,
        name="conversation_remove_person",
    ),
]
