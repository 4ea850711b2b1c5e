"""The desk's addresses: Django's own pages here, everything else in `upscaler.urls`."""

from django.contrib import admin
from django.urls import include, path

from upscaler.api import docs
from upscaler.api.endpoints import api
from upscaler.api.generation import api as newer_api
from upscaler.views import accounts

admin.site.site_header = admin.site.site_title = "Upscaler"
admin.site.index_title = "Administration"

urlpatterns = [
    # One sign-in for everything, so that one lock holds for all.
    path("admin/login/", accounts.admin_sign_in),
    path("admin/password_change/", accounts.to_password_change),
    path("admin/", admin.site.urls),
    path("api/v1/docs", docs.page, name="api-docs"),
    path("api/v1/", api.urls),
    path("", include("upscaler.urls")),
    # Last, because it begins at the root: every page's address comes before.
    path("", newer_api.urls),
]

handler500 = "upscaler.views.server_errors.broken"
