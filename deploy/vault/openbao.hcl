# One server with storage of its own. For more than one, see https://openbao.org/docs/configuration/storage/raft/.
storage "raft" {
  path    = "/openbao/file"
  node_id = "one"
}

listener "tcp" {
  address         = "0.0.0.0:8200"
  tls_cert_file   = "/openbao/tls/server.pem"
  tls_key_file    = "/openbao/tls/server.key"
  tls_min_version = "tls12"
}

# Each request and answer, values as HMAC. Without a place to write it to the server serves nothing.
audit "file" "to-file" {
  options {
    file_path = "/openbao/logs/audit.log"
    mode      = "0600"
  }
}

api_addr      = "https://openbao:8200"
cluster_addr  = "https://openbao:8201"
disable_mlock = true
ui            = false
