#!/usr/bin/env bash
# A Ray head on this machine, in the foreground, with token authentication. The dashboard, which accepts jobs, listens on
# this machine only. Ray's other ports listen on every interface, which no option changes; they require the token.
#
#   launch/local.sh [options of `ray start`, such as --num-cpus 2]
#
# Other ports, folders and interpreters are given by the environment: AUTOML_RAY_PORT, AUTOML_DASHBOARD_PORT,
# AUTOML_CLIENT_PORT, AUTOML_RAY_TEMP, RAY_AUTH_TOKEN_PATH, and PATH for `ray`.
set -euo pipefail

port=${AUTOML_RAY_PORT:-6379}
dashboard=${AUTOML_DASHBOARD_PORT:-8265}
client=${AUTOML_CLIENT_PORT:-10001}
# Not Ray's own /tmp/ray: its record of "the current cluster" there is that of the first head. Short, since the
# paths of Ray's sockets in it may not be longer than 107 bytes.
temp=${AUTOML_RAY_TEMP:-/tmp/automl-ray-$UID}
token=${RAY_AUTH_TOKEN_PATH:-$HOME/.ray/auth_token}

fail() { printf 'launch/local.sh: %s\n' "$*" >&2; exit 2; }
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

command -v ray >/dev/null || fail "ray must be on PATH, but is not; activate the environment: . .venv/bin/activate"
for taken in "$port" "$dashboard" "$client"; do
    if listens "$taken"; then
        fail "port $taken must be free, but something listens there; set AUTOML_RAY_PORT (now $port)," \
            "AUTOML_DASHBOARD_PORT (now $dashboard) or AUTOML_CLIENT_PORT (now $client)"
    fi
done

# Anyone with the token can run code here, so the file is never readable by others, not even while it is created.
if [ ! -s "$token" ]; then
    mkdir -p "$(dirname "$token")"
    (umask 077 && python3 -c 'import secrets; print(secrets.token_hex(32), end="")' >"$token")
fi
chmod 600 "$token"
mkdir -p "$temp" && chmod 700 "$temp"
# A token in the environment would take precedence over the file, whose token is printed below.
unset RAY_AUTH_TOKEN RAY_ADDRESS
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$token RAY_USAGE_STATS_ENABLED=0
# Where reports are disabled, Ray reports that; port 9 of this machine takes nothing.
export RAY_USAGE_STATS_REPORT_URL=http://127.0.0.1:9/

# A separate process group for the head: otherwise the shell makes it, and every job started by it, ignore SIGINT.
set -m
log=$temp/head.log
# Port 0 is any free port: Ray's fixed defaults would collide with those of another cluster on this machine.
ray start --head --block --port "$port" --ray-client-server-port "$client" \
    --dashboard-host 127.0.0.1 --dashboard-port "$dashboard" --dashboard-agent-listen-port 0 \
    --min-worker-port 0 --max-worker-port 0 --temp-dir "$temp" "$@" >"$log" 2>&1 &
head=$!
stopping=
# Only this head is stopped, by its process id: `ray stop` would stop every Ray on the machine.
trap 'stopping=yes; kill -TERM "$head" 2>/dev/null || true' INT TERM

until grep -q "Ray runtime started" "$log" && listens "$dashboard"; do
    kill -0 "$head" 2>/dev/null || { tail -n 5 "$log" >&2; fail "the head did not start; its output is in $log"; }
    sleep 0.2
done
cat <<END
Ray head: process $head, dashboard http://127.0.0.1:$dashboard, its log $log
submit a study, from another terminal:
  RAY_API_SERVER_ADDRESS=http://127.0.0.1:$dashboard RAY_AUTH_TOKEN_PATH=$(printf %q "$token") launch/submit.sh search_spaces/smoke.yaml
the dashboard asks for a token: paste the content of $token
stop the head and its jobs: Ctrl-C here, or
  kill $$
END
status=0
wait "$head" || status=$?
[ -n "$stopping" ] || fail "the head ended by itself with status $status; its output is in $log"
# The first wait ended with the signal, not with the head.
wait "$head" || true
echo "Ray head: stopped"
