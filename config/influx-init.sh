#!/bin/sh
# Makes the gateway's token: it may read and write its one bucket, and nothing else. InfluxDB's container runs this
# when it sets its store up; run by hand it does the same for a store that was set up before:
#   docker compose exec influxdb sh /docker-entrypoint-initdb.d/gateway-token.sh
set -eu
umask 077

file=${TOKEN_FILE:-/run/gateway-token/token}
org=${DOCKER_INFLUXDB_INIT_ORG:-consentry}
bucket=${DOCKER_INFLUXDB_INIT_BUCKET:-telemetry}

if [ -s "$file" ]; then
  echo "the gateway has a token already" >&2
  exit 0
fi

id=$(influx bucket list --org "$org" --name "$bucket" --hide-headers | cut -f 1)
[ -n "$id" ] || { echo "there is no bucket $bucket" >&2; exit 1; }

token=$(influx auth create --org "$org" --description gateway --read-bucket "$id" --write-bucket "$id" --hide-headers | cut -f 3)
[ -n "$token" ] || { echo "no token was made" >&2; exit 1; }

# Beside its place first: half a token would look like a whole one.
printf %s "$token" >"$file.new"
mv "$file.new" "$file"
