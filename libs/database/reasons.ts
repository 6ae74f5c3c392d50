/**
 * Why the product may look across organizations. A closed list, held by a snapshot test: each entry is a place
 * where row-level security is not what keeps organizations apart, so each is worth a review.
 */
export const systemReasons = {
  set_up: 'The first organizations are made before anybody can be signed in.',
  sign_in: 'A person is known by e-mail before the organization is.',
  authenticate: 'A credential is looked up before its organization is proven.',
  own_sessions:
    'People see and end their own sessions; refresh tokens and activity are not the organization’s.',
  own_factors: 'Second factors are a person’s own, in every organization they belong to.',
  own_devices: 'Devices belong to a person, not to an organization.',
  own_password: 'People change their own password, which their organizations share.',
  reset_password: 'Who forgot the password is not signed in to any organization.',
  own_organizations: 'People list the organizations they belong to.',
  manage_tenants: 'Platform operators create, suspend and list organizations.',
  delete_organization: 'What an organization takes with it is not all its own: people, tokens.',
  manage_members: 'A person and a password are shared by the organizations they belong to.',
  manage_accounts: 'Platform operators find and disable accounts, which belong to no organization.',
  accept_invitation: 'The invited person is not a member yet.',
  record_denial: 'A refusal is recorded where it belongs although the refused has no transaction.',
  signing_keys: 'Token signing keys belong to the deployment.',
  api_keys:
    'Peppers of API keys belong to the deployment; that a key was used, or is handed in as leaked, is known by the key alone.',
  deployment_keys: 'Platform operators see and rotate the keys of the deployment.',
  system_state: 'The deployment’s own state and health.',
  idempotency: 'The answer of a mutation is kept for its caller, who may have ended with it.',
  count_attempts: 'Attempts are counted before anybody has proven who they are.',
  audit_tree: 'Tiles are made of every organization’s log, which the app may only read.',
  audit_checkpoints: 'Checkpoints of every log are signed by one process, with the deployment’s key.',
  audit_verification: 'Every log is verified by one job, whether or not somebody of its organization asks.',
  audit_erasure: 'An erasure goes on after its request has ended, with nobody signed in.',
  erase_person: 'Platform operators have a person erased from the logs of all organizations.',
  audit_retention: 'Events that every organization keeps no longer are dropped by one process.',
  audit_search: 'What a log is searched by is made of it, which the app may only read.',
  audit_forks: 'Whether any log does not continue what was published of it is asked of all.',
  acknowledge_fork: 'Platform operators acknowledge it, of any organization.',
  audit_keys: 'The keys that sign checkpoints belong to the deployment.',
  rotate_audit_key: 'The same, by an operator of the platform.',
  audit_sinks: 'Workers deliver the log of every organization that has a sink to it.',
  event_heads: 'Whether any log of events has grown is asked for all who wait; the answer is a number.',
  event_relay: 'Workers publish the events of every organization to the deployment’s destinations.',
  capability_state: 'Whether a capability is active is asked by what is bound to it, before it acts.',
  resolve_secrets: 'The product itself needs a secret of an organization, with nobody signed in.',
  rotate_secrets: 'What members have scheduled is done with nobody signed in.',
  settle_secrets:
    'Changes of secrets that were sent to another store are ended by whoever finds them, with nobody signed in.',
  secret_store: 'The login to the store of secrets belongs to the deployment.',
  control_system: 'Platform operators make the whole deployment read-only, and end that.',
  projection_sweep: 'That facts of any organization have expired is recorded by one job.',
  rollouts: 'Workers carry out the rollouts of every organization, and end what has expired.',
  rollout_callback: 'An external gate is known by its hook before the organization is.',
  gitea_intake:
    'A delivery of Gitea is known by its hook and signature; what it prompts goes on with nobody signed in.',
  metrics:
    'Operators of the deployment read how far sinks, relays and queues are; the answer is numbers by id.',
  housekeeping: 'Expired rows of every organization are removed.',
} as const;

export type SystemReason = keyof typeof systemReasons;

/** What only a credential of the platform organization may be used for; the database checks it. */
export const platformReasons: ReadonlySet<SystemReason> = new Set([
  'manage_tenants',
  'manage_accounts',
  'deployment_keys',
  'rotate_audit_key',
  'acknowledge_fork',
  'erase_person',
  'control_system',
  'metrics',
]);
