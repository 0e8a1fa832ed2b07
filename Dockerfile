# The page as an image, for CPUs and NVIDIA GPUs: see docs/hosting.md.
ARG PYTHON=3.11
FROM python:${PYTHON}-slim

# The package index that torch comes from, such as PyTorch's for CPUs; empty: the one of everything else.
ARG TORCH_INDEX=
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PYTHONUNBUFFERED=1

RUN useradd --create-home --uid 1000 t2l && install --directory --owner=t2l /home/t2l/shelf
WORKDIR /app
# Before everything else, so that nothing else chooses the build.
# hadolint ignore=DL3013
RUN pip install torch==2.13.0 ${TORCH_INDEX:+--index-url "$TORCH_INDEX"}
COPY requirements.txt requirements-embedded.txt ./
RUN pip install -r requirements.txt && pip install --no-deps -r requirements-embedded.txt
COPY app.py README.md LICENSE NOTICE ./
COPY t2l ./t2l/
COPY checkpoints ./checkpoints/
COPY results ./results/

USER 1000
ENV GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860 T2L_CACHE=/home/t2l/cache T2L_SHELF=/home/t2l/shelf
# The base is converted here, once, and not at every start.
RUN python -c "from t2l.base import DEFAULT_BASE, read_config; read_config(DEFAULT_BASE)"

EXPOSE 7860
# No proxy that the environment may name stands between the two.
HEALTHCHECK --interval=30s --timeout=5s --start-period=2m CMD ["python", "-c", \
    "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:' + os.environ['GRADIO_SERVER_PORT'] + '/health')"]
CMD ["python", "app.py"]
