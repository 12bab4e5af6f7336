#!/usr/bin/env bash
# Submits a study to a running cluster and follows its log:
#
#   launch/submit.sh [SPEC] [options of automl search]
#
# The cluster is RAY_API_SERVER_ADDRESS (this machine's head if unset), its token RAY_AUTH_TOKEN, or the file
# RAY_AUTH_TOKEN_PATH, or ~/.ray/auth_token. AUTOML_STORAGE is the folder of runs/ and models/, mounted at
# the same path on all nodes of the cluster. The same study submitted again is resumed.
# The exit status is that of the study: 0 done, 2 a mistake in the input, 75 the cluster was lost, 130 stopped.
set -euo pipefail

fail() { printf 'launch/submit.sh: %s\n' "$*" >&2; exit 2; }

for word in "$@"; do
    case $word in
    -h | --help)
        sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}"
        exit 0
        ;;
    esac
done

cd "$(dirname "${BASH_SOURCE[0]}")/.."
address=${RAY_API_SERVER_ADDRESS:-http://127.0.0.1:8265}
token=${RAY_AUTH_TOKEN_PATH:-$HOME/.ray/auth_token}

command -v ray >/dev/null || fail "ray must be on PATH, but is not; activate the environment: . .venv/bin/activate"
if [ -z "${RAY_AUTH_TOKEN:-}" ] && [ ! -s "$token" ]; then
    fail "$token must contain the cluster's token, but does not; copy it from the head, or start one: launch/local.sh"
fi
# Only this folder is uploaded with the job: a spec elsewhere would be reported as missing by the cluster minutes later.
if [ $# -gt 0 ] && [ "${1#-}" = "$1" ] && [ ! -f "$1" ]; then
    fail "$1: must be a spec in $PWD, but is no file there"
fi
# Data sets are not uploaded: a relative path would be resolved in the job's own folder.
before=
for word in "$@"; do
    case $before$word in
    --data=sample | --data=/* | --data--*) ;;
    --data=?*) fail "${word#--data=}: --data must be an absolute path on the cluster's nodes, but is relative" ;;
    esac
    [ "$word" = --data ] && before=--data= || before=
done

export RAY_AUTH_MODE=token
[ -n "${RAY_AUTH_TOKEN:-}" ] || export RAY_AUTH_TOKEN_PATH=$token

# ask PATH: print the head's JSON response; one line and status 2 on failure.
ask() {
    python3 - "$address" "$token" "$1" <<'END'
import os
import sys
import urllib.error
import urllib.request

address, file, path = sys.argv[1:]
try:
    token = os.environ.get("RAY_AUTH_TOKEN") or open(file, encoding="utf-8").read().strip()
    asked = urllib.request.Request(address.rstrip("/") + path, headers={"Authorization": f"Bearer {token}"})
    print(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=30).read().decode())
except urllib.error.HTTPError as error:
    wrong = "does not accept the token" if error.code in {401, 403} else f"answers {error.code} {error.reason}"
    sys.exit(f"launch/submit.sh: {address}: must be a Ray head, but {wrong}; see RAY_AUTH_TOKEN_PATH (now {file})")
except (OSError, ValueError) as error:
    why = getattr(error, "reason", error)
    sys.exit(f"launch/submit.sh: {address}: must be a Ray head, but {why}; set RAY_API_SERVER_ADDRESS, or start one: launch/local.sh")
END
}
ask /api/version >/dev/null || exit 2
ask /api/jobs/ >/dev/null || exit 2

# `ray job stop` kills after 3 s by default. Not SIGINT: a head started in the background by a script ignores it, and
# every job inherits that.
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
# Shown in the dashboard's list of jobs: the study as the job's name, and its data set.
metadata=$(
    python3 - "$@" <<'END'
import json
import re
import sys
from pathlib import Path

words = sys.argv[1:]
spec = Path(words[0] if words and not words[0].startswith("-") else "search_spaces/smoke.yaml")
text = spec.read_text(encoding="utf-8", errors="replace")
given = dict(word[2:].split("=", 1) for word in words if re.match("--[a-z]+=", word))
given |= {one[2:]: other for one, other in zip(words, words[1:]) if one in {"--name", "--data"}}
for key in ("name", "data"):
    if key not in given and (found := re.search(rf"^{key}: *([^\s#]+)", text, re.MULTILINE)):
        given[key] = found[1]
print(json.dumps({"job_name": given.get("name", spec.stem), "study": given.get("name", spec.stem), "data": given.get("data", "")}))
END
)
id=automl-$(date -u +%Y%m%d-%H%M%S)-$$
settings="RAY_AUTH_MODE=token${RAY_AUTH_TOKEN_PATH:+ RAY_AUTH_TOKEN_PATH=$(printf %q "$RAY_AUTH_TOKEN_PATH")}"
typed=$(printf %q "$address")
cat >&2 <<END
job $id; Ctrl-C here ends following the log, not the job
  status: $settings ray job status --address $typed $id
  log:    $settings ray job logs --address $typed --follow $id
  stop:   $settings ray job stop --address $typed $id
  page:   $address/#/jobs asks for the token: paste the content of ${RAY_AUTH_TOKEN_PATH:-RAY_AUTH_TOKEN}
END
# followed: print the job's log without what `ray job submit` prints before it, and after it, where it repeats the log of
# a failed job. What comes without a log, such as a refusal, is printed as it is.
followed() {
    python3 -c '
import re
import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the writer, and this process with it
ends = {"Job %r %s" % (sys.argv[1], how) for how in ("succeeded", "failed", "was stopped")}
held, rules, over = [], [], False
for line in sys.stdin:
    plain = re.sub("\x1b\\[[0-9;]*m", "", line)  # Ray colours its lines, and begins them with time, level and place
    text = re.sub(r"^[-0-9]+ [:,0-9]+\s+[A-Z]+ \S+\.py:\d+ -- ", "", plain).strip()
    if held is not None:
        held = None if text.startswith("Tailing logs until the job exits") else [*held, line]
    elif text in ends:
        over = True
    elif not text or not text.strip("-"):
        rules.append(line)  # the empty lines and the rule above the last line: printed if the log goes on
    elif not over:
        print("".join(rules) + line, end="", flush=True)
        rules.clear()
print("".join(held or []), end="", flush=True)
' "$id"
}
status=0
PYTHONUNBUFFERED=1 ray job submit --address "$address" --submission-id "$id" --metadata-json "$metadata" \
    --working-dir . --runtime-env-json "$environment" -- python automl/search.py "$@" 2>&1 | followed || status=$?
# `ray job submit` exits with 1 for any failure of the job.
[ "$status" -ne 1 ] || status=$(ask "/api/jobs/$id" 2>/dev/null | python3 -c '
import json, sys
code = json.load(sys.stdin).get("driver_exit_code")
print(1 if code is None else code if code >= 0 else 128 - code)' || echo 1)
case $status in
0) next="done" ;;
2) next="a mistake in the input, named above; mend it and submit again" ;;
75) next="the cluster was lost, nothing else; submit the same again to resume it" ;;
130 | 143) next="stopped; submit the same again to resume it" ;;
*) next="the log above has the cause, and again: $settings ray job logs --address $typed $id" ;;
esac
printf 'job %s: exit status %s: %s\n' "$id" "$status" "$next" >&2
exit "$status"
