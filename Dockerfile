# One image for everything: Airflow's parts, the portal, the sample departments. docker-compose.yml says which runs where.
FROM python:3.11-slim-bookworm

WORKDIR /opt/hub
COPY requirements-uv.txt requirements.txt ./
RUN python -m pip install --no-cache-dir --require-hashes -r requirements-uv.txt \
 && uv pip install --system --no-cache --compile-bytecode --require-hashes -r requirements.txt

COPY connectors connectors
COPY schemas schemas
COPY expectations expectations
COPY hub hub
COPY dags dags
COPY samples samples
COPY benchmarks benchmarks

# Nobody needs to be root, and nothing writes but below /data.
RUN useradd --uid 10001 hub \
 && install -d -o hub -g hub -m 0750 /data/hub /data/airflow /data/sample \
 && printf '#!/bin/sh\nexec python -m hub "$@"\n' > /usr/local/bin/hub \
 && chmod 0755 /usr/local/bin/hub \
 && python -m compileall -q .
ENV PYTHONPATH=/opt/hub PYTHONUNBUFFERED=1 AIRFLOW_HOME=/data/airflow HUB_DATA_DIR=/data/hub
USER hub

CMD ["hub", "serve", "--host", "0.0.0.0"]
