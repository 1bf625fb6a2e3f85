#!/bin/sh
# Makes the secrets directory that docker-compose.yml mounts: keys, tokens and passwords, each in a file
# of its own. Never overwrites: losing a key loses what it closed.
#   sh scripts/make-secrets.sh [directory]          default: secrets
set -eu
umask 077

dir=${1:-secrets}
rights="$(dirname "$0")/../config/redis-gateway.acl"
uid=1000 # The user inside the containers that read these files.

if [ -e "$dir" ]; then
  echo "$dir exists already; nothing was changed" >&2
  exit 1
fi

random() { od -An -v -N32 -tx1 /dev/urandom | tr -d ' \n'; }
sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d' ' -f1; }

# Beside its place first, so that an interrupted run leaves no half set behind.
new="$dir.new.$$"
trap 'rm -rf "$new"' EXIT
mkdir -p "$new/keys/queue"

for key in keys/lookup keys/pepper keys/master keys/token keys/receipt keys/backup keys/queue/q0001; do
  random >"$new/$key.key"
done
for secret in http-token metrics-token grafana-password influx-admin-token influx-password weather-token scene-token network-token; do
  random >"$new/$secret"
done

# Where InfluxDB puts the gateway's own token, and one that only reads, when it starts for the first time.
mkdir "$new/influx" "$new/influx-reader"

redis_password=$(random)
printf 'redis://gateway:%s@redis:6379' "$redis_password" >"$new/redis-url"
# Redis gets the hash alone. 256 random bits behind it: other users may read it, and the redis user must.
cat >"$new/redis-users.acl" <<ACL
user default off
user health on nopass resetkeys resetchannels -@all +ping
user gateway on #$(printf %s "$redis_password" | sha256) $(grep -v '^#' "$rights" | tr '\n' ' ')
ACL
chmod 644 "$new/redis-users.acl"

if [ "$(id -u)" = 0 ]; then chown -R "$uid:$uid" "$new"; fi
mv "$new" "$dir"
echo "secrets are in $dir; back up $dir/keys apart from the data it protects"
if [ "$(id -u)" != 0 ] && [ "$(id -u)" != "$uid" ]; then
  echo "the containers read them as user $uid: sudo chown -R $uid:$uid $dir"
fi
