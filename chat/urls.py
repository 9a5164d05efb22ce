from django.urls import path

from chat import list_views, message_views, people_views, preferences, share_views, usage_views, views, words

ONE = "conversations/<uuid:conversation_id>/"
PERSON = f"{ONE}people/<int:person_id>/"

urlpatterns = [
    path("", views.home, name="home"),
    path("theme/", preferences.choose_theme, name="choose_theme"),
    path("words/<str:language>.js", words.catalogue, name="words"),
    path("conversations/new/", list_views.conversation_new, name="conversation_new"),
    path("conversations/<uuid:conversation_id>/", views.conversation, name="conversation"),
    path("conversations/<uuid:conversation_id>/messages/", views.conversation_messages, name="conversation_messages"),
    path(f"{ONE}messages/<int:message_id>/", message_views.message_text, name="message_text"),
    path(f"{ONE}messages/<int:message_id>/rating/", message_views.message_rating, name="message_rating"),
    path(f"{ONE}costs/", message_views.message_costs, name="message_costs"),
    path(f"{ONE}export.<str:kind>", views.conversation_export, name="conversation_export"),
    path(f"{ONE}rename/", list_views.conversation_rename, name="conversation_rename"),
    path(f"{ONE}delete/", list_views.conversation_delete, name="conversation_delete"),
    path(f"{ONE}restore/", list_views.conversation_restore, name="conversation_restore"),
    path(f"{ONE}replies/", people_views.conversation_reply_policy, name="conversation_reply_policy"),
    path(f"{ONE}people/", people_views.conversation_add_person, name="conversation_add_person"),
    path(f"{PERSON}role/", people_views.conversation_change_role, name="conversation_change_role"),
    path(f"{PERSON}remove/", people_views.conversation_remove_person, name="conversation_remove_person"),
    path(f"{ONE}invite/", people_views.conversation_invite, name="conversation_invite"),
    path(f"{ONE}invite/withdraw/", people_views.conversation_invite_withdraw, name="conversation_invite_withdraw"),
    path("invite/<str:token>/", people_views.invite, name="invite"),
    path(f"{ONE}share/", share_views.conversation_share, name="conversation_share"),
    path(f"{ONE}share/withdraw/", share_views.conversation_share_withdraw, name="conversation_share_withdraw"),
    path("shared/<str:token>/", share_views.shared, name="shared"),
    path("usage/", usage_views.usage_page, name="usage"),
    path("search/", list_views.search_page, name="search"),
]
