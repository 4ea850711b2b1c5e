"""The web server: a few processes with threads, since most requests wait for disk or database."""

from config.environment import env, whole

bind = f"{env.str('HOST', default='127.0.0.1')}:{whole('PORT', 8000)}"
workers = whole("WEB_CONCURRENCY", 2, minimum=1)
worker_class = "gthread"
# More than the pictures that one process has at hand at once (decoding.WAITING), so that pages are never behind them.
threads = 16
# A 50 MB upload on a slow line takes minutes; threads keep the heartbeat going meanwhile.
timeout = 120
graceful_timeout = 30

# Its control socket would be shared by every desk of one user; signals are enough here.
control_socket_disable = True
