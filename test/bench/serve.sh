#!/usr/bin/env bash
# Starts a gateway for a load generator and stays in the foreground:  serve.sh MODE PORT SINK_PORT
#   w1  accepts and discards
#   w2  durable queue, everything relayed to 127.0.0.1:SINK_PORT
#   w3  allow-list of 10 001 recipients, one field added, one regular expression over the body, then discards
# WORKERS in the environment: how many processes serve, 1 unless told otherwise.
# In all three every shipped plugin and one filter run in the sandbox on every hook, and decisions are recorded.
set -euo pipefail
mode=${1:?MODE: w1, w2 or w3} port=${2:?PORT} sink=${3:-2600}
root=$(cd "$(dirname "$0")/../.." && pwd)
home=$root/var/bench/$mode-$port
rm -rf "$home"
mkdir -p "$home"

recipients=''
edit=''
deliver='discard:'
case $mode in
  w1) ;;
  w2) deliver="smtp://127.0.0.1:$sink" ;;
  w3)
    edit='{ addField: true, searchBody: true }'
    recipients="{ addresses: [rcpt@bench.test$(printf ', user%d@bench.test' $(seq 0 9999))] }"
    ;;
  *) echo "serve.sh: there is no mode $mode; modes are w1, w2, w3" >&2; exit 2 ;;
esac

cat > "$home/postern.yaml" <<YAML
hostname: postern.bench.test
listeners: [{ address: "127.0.0.1:$port", role: mx }]
domains: { bench.test: { deliver: "$deliver" } }
relay: { networks: [127.0.0.0/8] }
outbound: { route: "$deliver" }
store: { kind: local, directory: ./store }
admin: { socket: ./store/control.sock, http: off }
limits: off
workers: ${WORKERS:-1}
plugins:
  - { name: relay-control }
  - { name: recipients${recipients:+, config: $recipients} }
  - { name: greylist }
  - { path: "$root/test/bench/plugins/edit.ts"${edit:+, config: $edit} }
  - { name: routing }
YAML
cd "$root"
exec node_modules/.bin/node bin/postern.cjs start --config "$home/postern.yaml"
