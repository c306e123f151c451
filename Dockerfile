# Every Tillroll process is this image with another command: `docker run tillroll relay`.
FROM python:3.12-slim AS build
WORKDIR /build
RUN python -m venv /opt/tillroll
COPY requirements.lock ./
RUN /opt/tillroll/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY domain domain
COPY eventstore eventstore
COPY commands commands
COPY projections projections
COPY queries queries
COPY services services
RUN /opt/tillroll/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation .

FROM python:3.12-slim
RUN useradd --uid 10001 --create-home tillroll && install -d -o tillroll -g tillroll -m 700 /var/lib/tillroll /erasures
COPY --from=build /opt/tillroll /opt/tillroll
ENV PATH=/opt/tillroll/bin:$PATH PYTHONUNBUFFERED=1 TILLROLL_DATA_DIR=/var/lib/tillroll
USER tillroll
WORKDIR /home/tillroll
VOLUME /var/lib/tillroll
ENTRYPOINT ["tillroll"]
CMD ["--help"]
