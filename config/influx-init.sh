#!/bin/sh
# Makes two tokens for the one bucket: the gateway's, which may read and write it, and Grafana's, which may read it; and
# nothing else. InfluxDB's container runs this when it sets its store up; run by hand it makes what is missing of them:
#   docker compose exec influxdb sh /docker-entrypoint-initdb.d/gateway-token.sh
set -eu
umask 077

org=${DOCKER_INFLUXDB_INIT_ORG:-consentry}
bucket=${DOCKER_INFLUXDB_INIT_BUCKET:-telemetry}

# make FILE NAME RIGHTS...
make() {
  file=$1 name=$2
  shift 2
  if [ -s "$file" ]; then
    echo "$name has a token already" >&2
    return
  fi
  token=$(influx auth create --org "$org" --description "$name" "$@" --hide-headers | cut -f 3)
  [ -n "$token" ] || { echo "no token was made for $name" >&2; exit 1; }
  # Beside its place first: half a token would look like a whole one.
  printf %s "$token" >"$file.new"
  mv "$file.new" "$file"
}

id=$(influx bucket list --org "$org" --name "$bucket" --hide-headers | cut -f 1)
[ -n "$id" ] || { echo "there is no bucket $bucket" >&2; exit 1; }

make "${TOKEN_FILE:-/run/gateway-token/token}" gateway --read-bucket "$id" --write-bucket "$id"
make "${READER_TOKEN_FILE:-/run/reader-token/token}" reader --read-bucket "$id"
