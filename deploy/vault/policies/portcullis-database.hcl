# Only where the product's own database users are leased, or their passwords rotated, by the server.

path "database/creds/portcullis-*" {
  capabilities = ["read"]
}

path "database/static-creds/portcullis-*" {
  capabilities = ["read"]
}

path "sys/leases/renew" {
  capabilities = ["update"]
}

path "sys/leases/revoke" {
  capabilities = ["update"]
}
