# What the product may do with secrets, and nothing besides. bootstrap.sh fills in @kv@ (the mount), @prefix@,
# @transit@, @master_key@ (the key that wraps the master key) and @checkpoint_key@ (the key that signs checkpoints).

# Values: read, and write new versions.
path "@kv@/data/@prefix@/*" {
  capabilities = ["create", "read", "update"]
}

# What is told of secrets, which there are, and removing one with all its versions.
path "@kv@/metadata/@prefix@/*" {
  capabilities = ["create", "read", "update", "list", "delete"]
}

path "@kv@/delete/@prefix@/*" {
  capabilities = ["update"]
}

path "@kv@/undelete/@prefix@/*" {
  capabilities = ["update"]
}

path "@kv@/destroy/@prefix@/*" {
  capabilities = ["update"]
}

# The master key is wrapped and unwrapped there; the key itself does not leave transit.
path "@transit@/encrypt/@master_key@" {
  capabilities = ["update"]
}

path "@transit@/decrypt/@master_key@" {
  capabilities = ["update"]
}

# Checkpoints of the audit logs are signed there. Its public keys are read; a rotation by the product's API makes a new
# version. It can neither be exported nor deleted nor configured.
path "@transit@/sign/@checkpoint_key@" {
  capabilities = ["update"]
}

path "@transit@/keys/@checkpoint_key@" {
  capabilities = ["read"]
}

path "@transit@/keys/@checkpoint_key@/rotate" {
  capabilities = ["update"]
}

# Its own token, also where the role does not give the policy "default".
path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
