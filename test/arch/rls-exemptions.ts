/** What rls-coverage.spec.ts lets stand, each with its reason. These lists may only shrink. */

/** Tables without a policy for the app on the organization of each row. The list may only shrink. */
export const withoutOrgPolicy: Record<string, string> = {
  users: 'a person may belong to several organizations: the app sees those with a membership in its own',
  passwords: 'belongs to a person, not to an organization; the app has no privilege on it at all',
  password_resets: 'belongs to a person, as the password does; the app has no privilege on it at all',
  factors: 'belong to a person, not to an organization; the app has no privilege on them at all',
  recovery_codes: 'the same',
  challenges: 'a sign-in that has not ended; only the system reads it, before there is a caller',
  devices: 'belong to a person, not to an organization; the app has no privilege on them at all',
  attempt_counters: 'from before there is a caller; the app has no privilege on them at all',
  signing_keys: 'belongs to the deployment; the app has no privilege on it at all',
  key_peppers: 'the same: of the digests of keys of every organization',
  audit_keys: 'the same: one key signs the checkpoints of every log',
  deployment: 'one row for the whole deployment; the app has no privilege on it at all',
  setup_tokens: 'from before the first organization; the app has no privilege on it at all',
  invalidations: 'a stream for all replicas, of ids only; the app has no privilege on it at all',
  replicas: 'processes, not organizations; the app has no privilege on it at all',
  read_only_order: 'of the whole deployment; the app has no privilege on it at all',
  migrations: 'TypeORM’s own; no role but the owner has a privilege on it',
};

/** Tables that change without an audit record. The list may only shrink. */
export const unaudited: Record<string, string> = {
  audit_events: 'is the record; append-only',
  audit_positions: 'is the record; append-only',
  refresh_successors: 'follows from a refresh, which is recorded; erased after some seconds',
  audit_search: 'follows from the record: what it is searched by',
  audit_tiles: 'follows from the record, which each tile can be compared with; append-only',
  audit_checkpoints: 'says what the record is, signed; append-only',
  events: 'follows from the record, without which it does not commit; never changed',
  event_positions: 'the same: their order, given at commit',
  event_logs: 'the same: which logs there are, and what was dropped by age',
  event_publications: 'what destinations acknowledged; never changed',
  event_lanes: 'how far a destination is: follows from events and from what it answers',
  event_dead_letters: 'the same: what it refused; a retry that somebody asks for is recorded',
  audit_sink_state: 'how far a delivery is: follows from the record and from what receivers answer',
  audit_sink_dead: 'the same: what a receiver refused; a replay that takes it away is recorded',
  gitea_deliveries: 'the list of what came in: what was taken, refused or prompted is recorded itself',
  gitea_refs: 'what Gitea said last: what followed of it is recorded',
  gitea_repositories: 'the same: which repository a name stood for when it was first read',
  session_activity: 'when a session was last used: written often, says nothing of rights',
  api_key_activity: 'when a key was last used: the same',
  challenges: 'waits for the next step of a sign-in, which is recorded; ends by itself',
  deployment: 'exists before any organization does, hence before any log; set up once, which is recorded',
  setup_tokens: 'the same: from before the first log',
  idempotency_keys: 'what was answered to mutations that are recorded themselves; kept for a day',
  attempt_counters:
    'written before every verification, and worth nothing after minutes; what is refused is recorded',
  invalidations: 'follows from audited changes, by trigger',
  replicas: 'heartbeats of processes',
  migrations: 'written by the owner when the schema changes',
};

/** What the product's roles may call; everything else in the schema is called by triggers and by these. */
export const callable: Record<string, { by: string[]; reason: string }> = {
  current_org: { by: ['portcullis_app'], reason: 'its policies ask it' },
  enter_org: {
    by: ['portcullis_app', 'portcullis_system'],
    reason: 'opens an organization to a transaction whose credential is live in it',
  },
  audit_erase: { by: ['portcullis_system'], reason: 'destroys personal values, one person at a time' },
  audit_prune: {
    by: ['portcullis_system'],
    reason: 'drops events that the policy lets go, and keeps their hashes',
  },
  audit_lock_hold: { by: ['portcullis_app'], reason: 'waits for both of them before a legal hold answers' },
  audit_term: {
    by: ['portcullis_app', 'portcullis_system'],
    reason: 'the hash that a log is searched by; reads nothing',
  },
  count_attempts: { by: ['portcullis_system'], reason: 'counts a guess before it is verified' },
  give_back_attempts: { by: ['portcullis_system'], reason: 'takes the count of a right one back' },
  forget_secret: { by: ['portcullis_system'], reason: 'lets every process forget what it holds of a secret' },
  enter_platform: { by: ['portcullis_system'], reason: 'the same for what only platform operators do' },
  hold_sign_in: {
    by: ['portcullis_system'],
    reason: "what a sign-in holds and reads before it opens a session, with the caller's own rights",
  },
};

/** Confined, and moreover closed to the app. */
export const appMayNotRead = new Set(['refresh_tokens', 'refresh_successors', 'idempotency_keys']);

/** What the schema of jobs, which is pg-boss's, grants; its tables hold what the master key wrapped. */
export const jobGrants = [
  'portcullis_app: INSERT on job_common',
  'portcullis_app: SELECT (id, start_after) on job_common',
  'portcullis_app: SELECT on queue',
  'portcullis_system: DELETE, INSERT, SELECT, UPDATE on job',
  'portcullis_system: DELETE, INSERT, SELECT, UPDATE on job_common',
  'portcullis_system: DELETE, INSERT, SELECT, UPDATE on schedule',
  'portcullis_system: DELETE, SELECT on job_dependency',
  'portcullis_system: INSERT, SELECT, UPDATE on queue',
  'portcullis_system: SELECT, UPDATE on version',
];
