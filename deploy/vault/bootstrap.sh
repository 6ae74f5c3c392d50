#!/bin/sh
# Prepares a Vault or OpenBao server for Portcullis: mounts, policies, the AppRole, the keys of transit. May be run again:
# what is there stays. Needs curl and a token that may do this (VAULT_TOKEN); not one that the product ever gets.
#
#   VAULT_ADDR=https://vault.example:8200 VAULT_TOKEN=... ./bootstrap.sh
#   ./bootstrap.sh secret-id > /run/portcullis/wrapped-secret-id      a wrapped secret-id, good for one opening
set -eu

: "${VAULT_ADDR:?where the server is}" "${VAULT_TOKEN:?a token that may set it up}"
here=$(cd "$(dirname "$0")" && pwd)
kv=${KV_MOUNT:-kv}
prefix=${PREFIX:-portcullis}
transit=${TRANSIT_MOUNT:-transit}
master_key=${MASTER_KEY:-portcullis}
checkpoint_key=${CHECKPOINT_KEY:-portcullis-checkpoints}
role=${ROLE:-portcullis}
mount=${AUTH_MOUNT:-approle}
# Where the product runs; a secret-id is of no use from anywhere else.
cidrs=${BOUND_CIDRS:-}
wrap_ttl=${WRAP_TTL:-300s}

# The token goes in by a file, for arguments of processes are seen by everybody on the machine.
header=$(mktemp)
trap 'rm -f "$header"' EXIT
chmod 600 "$header"
printf 'X-Vault-Token: %s\n' "$VAULT_TOKEN" > "$header"
[ -z "${VAULT_NAMESPACE:-}" ] || printf 'X-Vault-Namespace: %s\n' "$VAULT_NAMESPACE" >> "$header"

# ask METHOD PATH [BODY]: prints the answer; fails where the server refuses.
ask() {
  method=$1 path=$2
  shift 2
  curl --silent --show-error --fail-with-body --proto '=http,https' ${VAULT_CACERT:+--cacert "$VAULT_CACERT"} \
    --request "$method" --header "@$header" --header 'content-type: application/json' ${WRAP:+--header "X-Vault-Wrap-TTL: $WRAP"} \
    ${1:+--data-binary "$1"} "$VAULT_ADDR/v1/$path"
}

has() { ask GET "$1" > /dev/null 2>&1; }

# field NAME: the text of a field of a flat answer.
field() { sed -n 's/.*"'"$1"'" *: *"\([^"]*\)".*/\1/p'; }

if [ "${1:-}" = secret-id ]; then
  answer=$(WRAP=$wrap_ttl ask POST "auth/$mount/role/$role/secret-id" '{}')
  printf '%s\n' "$answer" | tr ',' '\n' | grep '"token"' | field token | grep .
  exit
fi
if [ "${1:-}" = role-id ]; then
  answer=$(ask GET "auth/$mount/role/$role/role-id")
  printf '%s\n' "$answer" | tr ',' '\n' | field role_id | grep .
  exit
fi

has "sys/mounts/$kv/tune" || ask POST "sys/mounts/$kv" '{"type":"kv","options":{"version":"2"}}'
has "sys/mounts/$transit/tune" || ask POST "sys/mounts/$transit" '{"type":"transit"}'
has "sys/auth/$mount/tune" || ask POST "sys/auth/$mount" '{"type":"approle"}'
has "$transit/keys/$master_key" || ask POST "$transit/keys/$master_key" '{"type":"aes256-gcm96","exportable":false}'
has "$transit/keys/$checkpoint_key" || ask POST "$transit/keys/$checkpoint_key" '{"type":"ed25519","exportable":false}'

for policy in portcullis portcullis-database; do
  text=$(sed -e "s|@kv@|$kv|g; s|@prefix@|$prefix|g; s|@transit@|$transit|g; s|@master_key@|$master_key|g; s|@checkpoint_key@|$checkpoint_key|g" \
    -e 's/\\/\\\\/g; s/"/\\"/g; s/$/\\n/' "$here/policies/$policy.hcl" | tr -d '\n')
  ask PUT "sys/policies/acl/$policy" "{\"policy\":\"$text\"}"
done

bound=
[ -z "$cidrs" ] || bound=",\"secret_id_bound_cidrs\":\"$cidrs\",\"token_bound_cidrs\":\"$cidrs\""
ask POST "auth/$mount/role/$role" "{\"token_policies\":\"${POLICIES:-portcullis}\",\"token_no_default_policy\":true,
  \"token_ttl\":\"1h\",\"token_max_ttl\":\"24h\",\"secret_id_ttl\":\"720h\",\"secret_id_num_uses\":0,\"bind_secret_id\":true$bound}"
echo "prepared: $kv/$prefix, $transit/$master_key and $transit/$checkpoint_key, role $role at auth/$mount"
