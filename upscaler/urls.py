"""The addresses of the pages."""

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LogoutView
from django.urls import path

from upscaler.views import accounts, activity, files, health, history, invitations, ledger, submit, team, usage

urlpatterns = [
    path("", submit.submit, name="submit"),
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
    path("files/<str:signed>/<str:name>", files.signed, name="signed-file"),
    path("accounts/login/", accounts.SignIn.as_view(), name="login"),
    path("accounts/logout/", login_not_required(LogoutView.as_view()), name="logout"),
    path("accounts/password/", accounts.PasswordChange.as_view(), name="password_change"),
    path("accounts/forgotten/", accounts.PasswordReset.as_view(), name="password_reset"),
    path("accounts/forgotten/sent/", accounts.PasswordResetDone.as_view(), name="password_reset_done"),
    path(
        "accounts/forgotten/<uidb64>/<token>/", accounts.PasswordResetConfirm.as_view(), name="password_reset_confirm"
    ),
    path("team/", team.team, name="team"),
    path("team/switch/", team.switch, name="switch-team"),
    path("team/invite/", team.invite, name="invite"),
    path("team/invitations/again/", team.renew_invitation, name="renew-invitation"),
    path("team/invitations/withdraw/", team.withdraw_invitation, name="withdraw-invitation"),
    path("team/role/", team.change_role, name="change-role"),
    path("team/remove/", team.remove, name="remove-member"),
    path("team/leave/", team.leave, name="leave-team"),
    path("team/activity/", activity.activity, name="activity"),
    path("team/activity.csv", activity.activity_csv, name="activity-csv"),
    path("invitations/<str:secret>/", invitations.invitation, name="invitation"),
    path("ledger/", ledger.ledger, name="ledger"),
    path("ledger/entries.csv", ledger.ledger_csv, name="ledger-csv"),
    path("ledger/grant/", ledger.grant, name="grant"),
    path("ledger/budgets/", ledger.budgets, name="budgets"),
    path("usage/", usage.usage, name="usage"),
    path("usage/month.csv", usage.usage_csv, name="usage-csv"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
