"""How e-mails leave, read from the environment: Django's settings, from one address of the mail server.

`settings` takes them all.
"""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from config.environment import env

try:
    _email = env.email_url_config(env.str("EMAIL_URL", default="").strip() or "consolemail://")
except (KeyError, ValueError, ImproperlyConfigured):
    # Never repeated, because it holds the password.
    raise ImproperlyConfigured(
        "EMAIL_URL can't be read. It must look like smtp+tls://USER:PASSWORD@mail.example.com:587, or consolemail:// "
        "to see the e-mails on the console; in the password write / as %2F and @ as %40."
    ) from None
EMAIL_BACKEND = _email["EMAIL_BACKEND"]
EMAIL_HOST = _email["EMAIL_HOST"] or "localhost"
EMAIL_USE_TLS = _email.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _email.get("EMAIL_USE_SSL", False)
EMAIL_PORT = _email["EMAIL_PORT"] or (587 if EMAIL_USE_TLS else 465 if EMAIL_USE_SSL else 25)
EMAIL_HOST_USER = _email["EMAIL_HOST_USER"] or ""
EMAIL_HOST_PASSWORD = _email["EMAIL_HOST_PASSWORD"] or ""
# People wait for it on a page.
EMAIL_TIMEOUT = 10
