import { setting } from '#kernel';

/** What the secrets room reads from the environment. */
export const secretSettings = {
  secretStore: setting.choice(
    'PORTCULLIS_SECRET_STORE',
    'Where the secrets of organizations lie: in the database, or in a Vault or OpenBao server.',
    ['embedded', 'vault'],
    'embedded',
  ),
  vaultAddress: setting.url(
    'PORTCULLIS_VAULT_ADDRESS',
    'Where the server is; http:// only on this machine.',
    ['https:', 'http:'],
  ),
  vaultNamespace: setting.text('PORTCULLIS_VAULT_NAMESPACE', 'The namespace that all of it lies in.'),
  vaultCaFile: setting.text(
    'PORTCULLIS_VAULT_CA_FILE',
    'PEM file of the only authorities that are believed; those of the system where unset.',
  ),
  vaultTimeoutMs: setting.integer(
    'PORTCULLIS_VAULT_TIMEOUT_MS',
    'What one request may take, with all its attempts, in milliseconds.',
    { min: 100, max: 60_000, fallback: 5_000 },
  ),
  vaultAuth: setting.choice(
    'PORTCULLIS_VAULT_AUTH',
    'How this process logs in; token is not for production.',
    ['approle', 'kubernetes', 'jwt', 'token'],
    'approle',
  ),
  vaultAuthMount: setting.text(
    'PORTCULLIS_VAULT_AUTH_MOUNT',
    'Where the auth method is mounted; its own name where unset.',
  ),
  vaultRole: setting.required('PORTCULLIS_VAULT_ROLE', 'The role this process logs in as.', 'portcullis'),
  vaultRoleIdFile: setting.text(
    'PORTCULLIS_VAULT_ROLE_ID_FILE',
    'AppRole: the file of the role-id (mode 0600).',
  ),
  vaultSecretIdFile: setting.text(
    'PORTCULLIS_VAULT_SECRET_ID_FILE',
    'AppRole: the file of the token that wraps a secret-id (mode 0600).',
  ),
  vaultJwtFile: setting.required(
    'PORTCULLIS_VAULT_JWT_FILE',
    'Kubernetes and JWT: the file of the token of the platform, read at each login.',
    '/var/run/secrets/kubernetes.io/serviceaccount/token',
  ),
  vaultTokenFile: setting.text(
    'PORTCULLIS_VAULT_TOKEN_FILE',
    'Token: its file (mode 0600). Not for production.',
  ),
  vaultAllowToken: setting.choice(
    'PORTCULLIS_VAULT_ALLOW_TOKEN',
    'Whether a token that was handed in is taken; never in production.',
    ['no', 'yes'],
    'no',
  ),
  vaultKvMount: setting.required('PORTCULLIS_VAULT_KV_MOUNT', 'The mount of the KV engine, version 2.', 'kv'),
  vaultPrefix: setting.required(
    'PORTCULLIS_VAULT_PREFIX',
    'What the paths of all secrets begin with; after it comes the id of the organization.',
    'portcullis',
  ),
  vaultDatabaseMount: setting.required(
    'PORTCULLIS_VAULT_DATABASE_MOUNT',
    'The mount of the database engine.',
    'database',
  ),
  databaseCredentials: setting.choice(
    'PORTCULLIS_DATABASE_CREDENTIALS',
    'Where the users of the pools come from: the URLs, or leased or static roles of the secret store.',
    ['url', 'leased', 'static'],
    'url',
  ),
  vaultTransitMount: setting.required('PORTCULLIS_VAULT_TRANSIT_MOUNT', 'The mount of transit.', 'transit'),
  vaultTransitKey: setting.text(
    'PORTCULLIS_VAULT_TRANSIT_KEY',
    'The key of transit that wraps the master key; its file is then of no use without the server.',
  ),
  vaultTransitCheckpointKey: setting.text(
    'PORTCULLIS_VAULT_TRANSIT_CHECKPOINT_KEY',
    'The Ed25519 key of transit that signs checkpoints of the audit logs; it does not leave the server.',
  ),
} as const;
