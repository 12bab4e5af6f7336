#!/usr/bin/env bash
# Submits a study to a running cluster and follows its log:
#
#   launch/submit.sh [SPEC] [options of automl search]
#
# The cluster is RAY_API_SERVER_ADDRESS (this machine's head if unset), its token RAY_AUTH_TOKEN, or the file
# RAY_AUTH_TOKEN_PATH, or ~/.ray/auth_token. AUTOML_STORAGE is where runs/ and models/ go: a folder on the cluster's
# nodes, seen by all of them at the same path. The same study submitted again goes on where it stood.
set -euo pipefail

fail() { printf 'launch/submit.sh: %s\n' "$*" >&2; exit 2; }

cd "$(dirname "${BASH_SOURCE[0]}")/.."
address=${RAY_API_SERVER_ADDRESS:-http://127.0.0.1:8265}
token=${RAY_AUTH_TOKEN_PATH:-$HOME/.ray/auth_token}

command -v ray >/dev/null || fail "ray must be on PATH, but is not; activate the environment: . .venv/bin/activate"
if [ -z "${RAY_AUTH_TOKEN:-}" ] && [ ! -s "$token" ]; then
    fail "$token must hold the cluster's token, but does not; copy it from the head, or start one: launch/local.sh"
fi
# Only this folder travels with the job, so a spec elsewhere would be missed only on the cluster, minutes later.
if [ $# -gt 0 ] && [ "${1#-}" = "$1" ] && [ ! -f "$1" ]; then
    fail "$1: must be a spec in $PWD, but is no file there"
fi

export RAY_AUTH_MODE=token
[ -n "${RAY_AUTH_TOKEN:-}" ] || export RAY_AUTH_TOKEN_PATH=$token

# `ray job stop` kills after 3 s unless told otherwise. Not SIGINT: under a head that a script put into the background
# it is ignored, by inheritance, in every job.
environment=$(
    python3 - <<'END'
import json
import os

variables = {"RAY_JOB_STOP_SIGNAL": "SIGTERM", "RAY_JOB_STOP_WAIT_TIME_S": os.environ.get("AUTOML_STOP_SECONDS", "60")}
if storage := os.environ.get("AUTOML_STORAGE"):
    variables["AUTOML_STORAGE"] = storage
print(json.dumps({"env_vars": variables}))
END
)
echo "Ctrl-C here ends the watching, not the job; the job's id and how to stop it stand below" >&2
exec ray job submit --address "$address" --working-dir . --runtime-env-json "$environment" \
    -- python automl/search.py "$@"
