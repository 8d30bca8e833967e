# Three stages: packages, the program, and the image, which has only Python and what sse-bridge runs on.
#
# The base is named by its tag, not by its digest: a digest would pin Debian's fixes out with everything else, builds on
# another architecture or from a mirror have another one, and a base that was put there by hand (scripts/image, where no
# registry is reached) has none. What we add is pinned: every package by its hash, in requirements/.
FROM python:3.13-slim AS packages

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_COMPILE=1
WORKDIR /build
# For `strip` alone, which no package index has.
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends binutils > /dev/null
COPY requirements/build.txt requirements/sbom.txt requirements/otel.txt requirements/
# The environment that is shipped has no pip of its own; that of the tools fills it. otel.txt holds all of run.txt.
RUN python -m venv /opt/tools \
 && python -m venv --without-pip /opt/sse-bridge \
 && /opt/tools/bin/pip install --quiet --require-hashes --requirement requirements/build.txt --requirement requirements/sbom.txt \
 && /opt/tools/bin/pip --python /opt/sse-bridge/bin/python install --quiet --only-binary :all: --require-hashes --requirement requirements/otel.txt
# What only compilers, debuggers and type checkers read goes: a third of it. What auditwheel has put into *.libs was
# patched, and strip would break that. Bytecode is made here, since a read-only root can take none later and every start
# would compile all of it anew; `unchecked`, since nothing changes any more and a file's time tells nothing.
RUN cd /opt/sse-bridge \
 && find . -name '*.so' -not -path '*.libs/*' -exec strip --strip-debug {} + \
 && find . -type d \( -name tests -o -name test \) -prune -exec rm -rf {} + \
 && find . -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.c' -o -name '*.h' -o -name '*.a' \) -delete \
 && rm -f bin/activate* bin/Activate.ps1 \
 && bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash lib
# The list of what was installed, not of what should have been: it is read from the environment.
COPY pyproject.toml LICENSE ./
RUN mkdir share && cp LICENSE share/ \
 && /opt/tools/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application --output-reproducible \
        --of JSON --output-file share/sbom.cdx.json /opt/sse-bridge/bin/python


FROM packages AS program

# In a folder of its own, so that it is a layer of its own: a new version sends a few megabytes.
COPY README.md ./
COPY bridge bridge
RUN /opt/tools/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir wheels . \
 && /opt/tools/bin/pip --python /opt/sse-bridge/bin/python install --quiet --no-deps --prefix /program wheels/*.whl \
 && /opt/sse-bridge/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash -s /program -p /opt/sse-bridge /program/lib


FROM python:3.13-slim

# A number, because Kubernetes' runAsNonRoot cannot look a name up. The root file system may be read-only: nothing is
# written outside `server.state`. /etc/sse-bridge is empty: what is mounted there is the configuration.
RUN groupadd --gid 10001 sse-bridge \
 && useradd --uid 10001 --gid 10001 --no-log-init --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin sse-bridge \
 && install --directory --owner 10001 --group 10001 /var/lib/sse-bridge \
 && install --directory /etc/sse-bridge

COPY --from=packages /opt/sse-bridge /opt/sse-bridge
COPY --from=packages /build/share /usr/share/sse-bridge
COPY --from=program /program /opt/sse-bridge

# LISTEN is for the demo and for files that take it: inside a container the public listener must be on all addresses.
ENV PATH=/opt/sse-bridge/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LISTEN=:8080

USER 10001:10001
WORKDIR /etc/sse-bridge
EXPOSE 8080 9091

HEALTHCHECK --interval=15s --timeout=5s --start-period=10s CMD ["sse-bridge", "health"]

STOPSIGNAL SIGTERM
ENTRYPOINT ["sse-bridge"]
# Only this default falls back to the demo, and only where nothing was mounted; whoever names a file gets that file.
CMD ["run", "/etc/sse-bridge/routes.yaml", "--else-demo"]

# Last, since they change with every commit, and nothing need be made anew for them.
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=https://github.com/sse-bridge/sse-bridge
LABEL org.opencontainers.image.title="sse-bridge" \
      org.opencontainers.image.description="Turns files, MQTT, Kafka, polled pages, other event streams, timers and HTTP pushes into Server-Sent Events, beside your application." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.url="$SOURCE" \
      org.opencontainers.image.base.name="docker.io/library/python:3.13-slim"
