# Two stages: the first has pip and the build backend, the second only Python and what sse-bridge runs on.
FROM python:3.13-slim AS build

WORKDIR /build
COPY requirements/build.txt requirements/run.txt requirements/
# The environment has no pip of its own; the image's pip fills it. Every file is checked against the hash in its lock.
RUN python -m venv --without-pip /opt/sse-bridge \
 && pip install --no-cache-dir --require-hashes --requirement requirements/build.txt \
 && pip --python /opt/sse-bridge/bin/python install --no-cache-dir --only-binary :all: --require-hashes --requirement requirements/run.txt
# The program comes last: a change to it leaves the layers above as they are.
COPY pyproject.toml README.md LICENSE ./
COPY bridge bridge
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir wheels . \
 && pip --python /opt/sse-bridge/bin/python install --no-cache-dir --no-deps wheels/*.whl


FROM python:3.13-slim

LABEL org.opencontainers.image.title="sse-bridge" \
      org.opencontainers.image.description="Turns files, MQTT, Kafka, timers and HTTP pushes into Server-Sent Events, beside your application." \
      org.opencontainers.image.licenses="Apache-2.0"

# A number, because Kubernetes' runAsNonRoot cannot look a name up. The root file system may be read-only: nothing is written outside `server.state`.
RUN groupadd --system --gid 10001 sse-bridge \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin sse-bridge \
 && install --directory --owner 10001 --group 10001 /var/lib/sse-bridge

COPY --from=build /opt/sse-bridge /opt/sse-bridge
COPY config/routes.yaml /etc/sse-bridge/routes.yaml

# Inside a container the public listener must be on all addresses; the configuration that comes with the image takes LISTEN.
ENV PATH=/opt/sse-bridge/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LISTEN=:8080 \
    HEALTH=127.0.0.1:9090

USER 10001:10001
WORKDIR /etc/sse-bridge
EXPOSE 8080

# HEALTH is where `/-/live` answers: the admin listener, unless `server.health` says another. http.client heeds no proxy settings.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection(os.environ['HEALTH'], timeout=2); c.request('GET', '/-/live'); sys.exit(c.getresponse().status != 200)"]

STOPSIGNAL SIGTERM
ENTRYPOINT ["sse-bridge"]
CMD ["run", "/etc/sse-bridge/routes.yaml"]
