"""The web server: a few processes with threads, since some requests wait for disk, database or an upscale's end.

No thread waits for a client: `config/web_worker.py` says how. Few work at once: `config/web_limiter.py`.
"""

from config.environment import env, whole
from config.logs import web_server_logging

bind = f"{env.str('HOST', default='127.0.0.1')}:{whole('PORT', 8000)}"
workers = whole("WEB_CONCURRENCY", 2, minimum=1)
worker_class = "config.web_worker.Worker"
# More than the pictures that one process has at hand at once (decoding.WAITING), so that pages are never behind them;
# and one for each call that may wait for an end.
threads = 16 + whole("API_MAX_WAITING", 8)
timeout = 120
graceful_timeout = 30
# Longer than a proxy keeps its connections (nginx: 60 seconds), and than pages wait between two looks: on one that is
# closed at that moment a request would come to nothing. `config/web_worker.py` is quicker where there are many.
keepalive = 75
# An address of a picture may have 2,000 letters, and a signed one of the desk's own is long too.
limit_request_line = 8190

logconfig_dict = web_server_logging()

# Its control socket would be shared by every desk of one user; signals are enough here.
control_socket_disable = True
