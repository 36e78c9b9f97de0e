#!/bin/sh
# PostgreSQL as the official image serves it: POSTGRES_USER, POSTGRES_DB, and POSTGRES_PASSWORD or a file of it.
set -eu
data=/var/lib/postgresql/data
if [ "$(id -u)" = 0 ]; then
  [ -z "${POSTGRES_PASSWORD_FILE:-}" ] || POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
  export POSTGRES_PASSWORD
  unset POSTGRES_PASSWORD_FILE
  mkdir -p "$data" /var/run/postgresql
  chown postgres:postgres "$data" /var/run/postgresql
  chmod 700 "$data"
  exec gosu postgres sh "$0" "$@"
fi
if [ ! -s "$data/PG_VERSION" ]; then
  printf '%s\n' "$POSTGRES_PASSWORD" > /tmp/password
  initdb --pgdata="$data" --username="$POSTGRES_USER" --pwfile=/tmp/password --auth-local=trust --auth-host=scram-sha-256 \
    --encoding=UTF8 --locale=C.UTF-8 --no-sync > /dev/null
  rm /tmp/password
  echo "host all all all scram-sha-256" >> "$data/pg_hba.conf"
  pg_ctl --pgdata="$data" --options="-c listen_addresses=''" --silent --wait start
  [ "$POSTGRES_DB" = postgres ] || createdb --username="$POSTGRES_USER" "$POSTGRES_DB"
  pg_ctl --pgdata="$data" --mode=fast --silent --wait stop
fi
[ "${1:-}" != postgres ] || shift
exec postgres -D "$data" -c listen_addresses='*' "$@"
