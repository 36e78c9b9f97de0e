#!/bin/sh
# A setting may stand in a file, which LLMCHAT_…_FILE names: a secret is then in nothing that `docker inspect` shows.
set -eu
for name in $(env | sed -n 's/^\(LLMCHAT_[A-Z0-9_]*\)_FILE=.*/\1/p'); do
  eval "file=\$${name}_FILE"
  value=$(cat "$file")
  export "$name=$value"
  unset "${name}_FILE"
done
exec "$@"
