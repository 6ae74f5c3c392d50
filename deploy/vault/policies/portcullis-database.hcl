# Beside portcullis.hcl, where PORTCULLIS_DATABASE_CREDENTIALS is leased or static. The
# database engine is mounted at `database`.

# Users that are made for one pool, and end with its lease.
path "database/creds/portcullis-app" {
  capabilities = ["read"]
}

path "database/creds/portcullis-system" {
  capabilities = ["read"]
}

# Users that last, whose password changes.
path "database/static-creds/portcullis-app" {
  capabilities = ["read"]
}

path "database/static-creds/portcullis-system" {
  capabilities = ["read"]
}

# A user ends when its pool has no connection left. Only who knows the id of a lease can name it.
path "sys/leases/revoke" {
  capabilities = ["update"]
}
