#!/usr/bin/env bash
# A study as a Slurm job: a Ray head and workers inside the allocation, then the search; nothing is left behind.
#
#   sbatch --nodes 2 --gpus-per-node 1 --cpus-per-task 8 --time 12:00:00 launch/slurm.sh SPEC [options of automl search]
#
# Submitted from the checkout, which all nodes see at the same path, like AUTOML_STORAGE (runs/ and models/; default:
# the checkout). PYTHON is the interpreter of the environment (default: .venv/bin/python). 120 seconds before the time
# limit, and on scancel, the study is stopped in an orderly way; the same command resumes it.
#SBATCH --job-name=automl
#SBATCH --ntasks-per-node=1
#SBATCH --signal=B:TERM@120
#SBATCH --output=automl-%j.log
set -euo pipefail

fail() { printf 'launch/slurm.sh: %s\n' "$*" >&2; exit 2; }
[ -n "${SLURM_JOB_ID:-}" ] || fail "must run inside a Slurm job, but does not; submit it: sbatch launch/slurm.sh SPEC"
cd "${SLURM_SUBMIT_DIR:-.}"
[ -f automl/search.py ] || fail "$PWD: must be the checkout, but has no automl/search.py; run sbatch there"
python=${PYTHON:-$PWD/.venv/bin/python}
ray=$(dirname "$python")/ray
[ -x "$python" ] || fail "$python: must be the environment's Python, but is not executable; set PYTHON"

# The token is made for this job and travels in the environment: a command line could be read by others.
RAY_AUTH_TOKEN=$("$python" -c 'import secrets; print(secrets.token_hex(32), end="")')
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0 RAY_USAGE_STATS_REPORT_URL=http://127.0.0.1:9/ AUTOML_STORAGE=${AUTOML_STORAGE:-$PWD}
# Two jobs may share a node, so ports and folder come from the job's number. Short: Ray's sockets lie in the folder.
port=$((20000 + SLURM_JOB_ID % 20000))
temp=${TMPDIR:-/tmp}/automl-$SLURM_JOB_ID
cpus=${SLURM_CPUS_PER_TASK:-${SLURM_CPUS_ON_NODE:-1}}
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
address=$(getent ahostsv4 "$head" | awk 'NR == 1 { print $1 }')
[ -n "$address" ] || fail "$head: must have an IPv4 address, but has none; see /etc/hosts or DNS"

steps=()
# shellcheck disable=SC2329  # called by the trap
end_ray() {
    for step in "${steps[@]}"; do kill -TERM "$step" 2>/dev/null || true; done
    for step in "${steps[@]}"; do wait "$step" 2>/dev/null || true; done
    rm -rf "$temp"
}
trap end_ray EXIT

one=(--ntasks=1 --nodes=1 --cpus-per-task="$cpus" --overlap)
srun "${one[@]}" --nodelist="$head" "$ray" start --head --block --node-ip-address "$address" --port "$port" \
    --num-cpus "$cpus" --dashboard-host 127.0.0.1 --dashboard-port $((port + 1)) --ray-client-server-port $((port + 2)) \
    --dashboard-agent-listen-port 0 --min-worker-port 0 --max-worker-port 0 --temp-dir "$temp" >"ray-$SLURM_JOB_ID.log" 2>&1 &
steps+=($!)
for _ in $(seq 600); do
    "$ray" health-check --address "$address:$port" >/dev/null 2>&1 && break
    kill -0 "${steps[0]}" 2>/dev/null || fail "the head did not start; its output is in $PWD/ray-$SLURM_JOB_ID.log"
    sleep 0.5
done
for node in "${nodes[@]:1}"; do
    srun "${one[@]}" --nodelist="$node" "$ray" start --block --address "$address:$port" --num-cpus "$cpus" \
        --dashboard-agent-listen-port 0 --min-worker-port 0 --max-worker-port 0 >>"ray-$SLURM_JOB_ID.log" 2>&1 &
    steps+=($!)
done
# A study counts its nodes when it begins.
for _ in $(seq 300); do
    living=$("$python" -c '
import sys
from automl.cluster.capacity import shapes_at
print(len(shapes_at(sys.argv[1]) or ()))' "$address:$port" 2>/dev/null || echo 0)
    [ "$living" -ge "${#nodes[@]}" ] && break
    sleep 1
done
[ "$living" -ge "${#nodes[@]}" ] || fail "$living of ${#nodes[@]} nodes joined; see $PWD/ray-$SLURM_JOB_ID.log"

RAY_ADDRESS=$address:$port "$python" automl/search.py "$@" &
search=$!
trap 'kill -TERM "$search" 2>/dev/null || true' TERM INT
status=0
wait "$search" || status=$?
# A signal ends the first wait, not the search.
while kill -0 "$search" 2>/dev/null; do status=0; wait "$search" || status=$?; done
exit "$status"
