"""The addresses of the pages."""

from django.conf import settings
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from upscaler.views import files, health, history, submit, tokens

urlpatterns = [
    path("", submit.submit, name="submit"),
    path("again/", submit.again, name="again"),
    path("history/", history.history, name="history"),
    path("history/live/", history.live, name="live"),
    path("upscales/<int:pk>/", history.upscale, name="upscale"),
    path("upscales/<int:pk>/retry/", submit.retry, name="retry"),
    path("upscales/<int:pk>/thumbnail/", files.picture, {"kind": "thumbnail"}, name="thumbnail"),
    path("upscales/<int:pk>/before/", files.picture, {"kind": "before_preview"}, name="before"),
    path("upscales/<int:pk>/after/", files.picture, {"kind": "after_preview"}, name="after"),
    path("upscales/<int:pk>/source/", files.picture, {"kind": "source_file"}, name="source"),
    path("upscales/<int:pk>/result/", files.picture, {"kind": "result_file"}, name="result"),
    path("upscales/<int:pk>/download/", files.download, name="download"),
    path("tokens/", tokens.page, name="tokens"),
    path("tokens/<int:pk>/revoke/", tokens.revoke, name="revoke-token"),
    path("files/<str:signed>/<str:name>", files.signed, name="signed-file"),
    path(
        "accounts/login/",
        LoginView.as_view(redirect_authenticated_user=True, extra_context={"demo_hint": settings.DEBUG}),
        name="login",
    ),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
