# The image that every node runs: head, workers and TensorBoard alike.
#
#   docker build -t automl:local .
#   docker build -t automl:local --build-arg EXTRAS=[tensorrt] .     # also builds engines on CUDA machines
#
# CUDA comes with PyTorch's wheels, so the slim base is enough; the node needs NVIDIA's driver and container runtime.
FROM python:3.11-slim

# Mounted storage belongs to this user; give the id that owns it on the nodes.
ARG UID=1000
ARG EXTRAS=""

# libgl1 and libglib2.0-0 are what OpenCV links to; KubeRay's health probes call wget.
# Debian drops old versions from its archive, so pinned ones would stop the build some day.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 wget \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid "$UID" --create-home automl \
    && mkdir /storage \
    && chown automl /storage

# No secret stands here: the token arrives at run time, as a file or from the orchestrator's own store. What shuts
# Ultralytics' doors to the network is said once more than automl/trainers/yolo/offline.py says it, for a shell inside the image.
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONUNBUFFERED=1 \
    RAY_AUTH_MODE=token \
    RAY_USAGE_STATS_ENABLED=0 \
    RAY_USAGE_STATS_REPORT_URL=http://127.0.0.1:9/ \
    YOLO_OFFLINE=1 \
    YOLO_AUTOINSTALL=false \
    ULTRALYTICS_SAFE_LOAD=1 \
    ORT_DISABLE_TELEMETRY=1 \
    OMP_WAIT_POLICY=passive \
    AUTOML_STORAGE=/storage

WORKDIR /opt/automl

# The dependencies, gigabytes of them, in a layer that a change of our own code does not touch.
COPY pyproject.toml constraints.txt ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
        > /tmp/requirements.txt \
    && pip install -c constraints.txt -r /tmp/requirements.txt

# Editable, so that search_spaces/ and launch/ lie beside the package and a bare `automl search` finds its default.
COPY . .
RUN pip install -c constraints.txt -e ".$EXTRAS"

# By number, since Kubernetes' runAsNonRoot cannot look up a name.
USER $UID
# No HEALTHCHECK: the same image is head, worker and TensorBoard, and what healthy means is known to whoever starts it.
CMD ["automl", "--help"]
