#!/usr/bin/env bash
# `automl submit` from this checkout, for an environment without the command on PATH:
#
#   launch/submit.sh [SPEC] [options of automl submit]
#
# The cluster is RAY_API_SERVER_ADDRESS (this machine's head if unset), its token RAY_AUTH_TOKEN, or the file
# RAY_AUTH_TOKEN_PATH, or ~/.ray/auth_token. AUTOML_STORAGE is the folder of runs/ and models/ on all nodes.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export RAY_AUTH_MODE=token
command -v ray >/dev/null || {
    echo "launch/submit.sh: ray must be on PATH, but is not; activate the environment: . .venv/bin/activate" >&2
    exit 2
}
exec python3 -c 'import sys; from automl.apps.cli import app; app(["submit", *sys.argv[1:]])' "$@"
