"""The desk's addresses: Django's own pages here, everything else in `upscaler.urls`."""

from django.contrib import admin
from django.urls import include, path

from upscaler.api import api

admin.site.site_header = admin.site.site_title = "Upscaler"
admin.site.index_title = "Administration"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", api.urls),
    path("", include("upscaler.urls")),
]
