import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Passwords, sessions, refresh tokens, challenges, invitations, service accounts, API keys, signing keys. */
export class CreateSignIn1763769600002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- Passwords stand apart from users: the app role has no privilege on them at all.
      CREATE TABLE passwords (
        user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
        hash text NOT NULL,
        must_change boolean NOT NULL DEFAULT false,
        changed_at timestamptz NOT NULL DEFAULT now()
      );
      GRANT SELECT, INSERT, UPDATE, DELETE ON passwords TO portcullis_system;
      SELECT guard_state('passwords', '');

      CREATE TABLE sessions (
        org_id uuid NOT NULL,
        id uuid PRIMARY KEY,
        user_id uuid NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        idle_seconds integer NOT NULL CHECK (idle_seconds > 0),
        auth_methods text[] NOT NULL,
        assurance text NOT NULL,
        ip text,
        user_agent text,
        revoked_at timestamptz,
        revoked_reason text,
        CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL)),
        FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id) ON DELETE CASCADE
      );
      CREATE INDEX sessions_org_user ON sessions (org_id, user_id, id);
      SELECT protect('sessions');
      SELECT guard_state('sessions');
      GRANT SELECT, UPDATE (revoked_at, revoked_reason) ON sessions TO portcullis_app;
      GRANT SELECT, INSERT, UPDATE, DELETE ON sessions TO portcullis_system;

      -- When a session was last used: written often and coalesced, says nothing of rights, so it is not state.
      CREATE TABLE session_activity (
        org_id uuid NOT NULL,
        session_id uuid PRIMARY KEY REFERENCES sessions ON DELETE CASCADE,
        last_seen_at timestamptz NOT NULL
      ) WITH (fillfactor = 70);
      SELECT protect('session_activity');
      GRANT SELECT ON session_activity TO portcullis_app;
      GRANT SELECT, INSERT, UPDATE, DELETE ON session_activity TO portcullis_system;

      CREATE TABLE refresh_tokens (
        org_id uuid NOT NULL,
        id uuid PRIMARY KEY,
        session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
        digest text NOT NULL UNIQUE,
        issued_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        used_at timestamptz
      );
      CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);
      SELECT protect('refresh_tokens');
      SELECT guard_state('refresh_tokens', 'org_id', 'statement');
      GRANT SELECT, INSERT, UPDATE, DELETE ON refresh_tokens TO portcullis_system;

      -- A sign-in that waits for its next step. Ends by itself; not state.
      CREATE TABLE challenges (
        id uuid PRIMARY KEY,
        digest text NOT NULL UNIQUE,
        user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        kind text NOT NULL CHECK (kind IN ('password_change')),
        auth_methods text[] NOT NULL,
        expires_at timestamptz NOT NULL,
        used_at timestamptz
      );
      GRANT SELECT, INSERT, UPDATE, DELETE ON challenges TO portcullis_system;

      CREATE TABLE invitations (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        id uuid PRIMARY KEY,
        email text NOT NULL CHECK (email = lower(email)),
        role_id uuid NOT NULL,
        digest text NOT NULL UNIQUE,
        invited_by uuid NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        accepted_at timestamptz,
        FOREIGN KEY (org_id, role_id) REFERENCES roles (org_id, id) ON DELETE CASCADE
      );
      CREATE INDEX invitations_org ON invitations (org_id, id);
      SELECT protect('invitations');
      SELECT guard_state('invitations');
      GRANT SELECT, INSERT, UPDATE, DELETE ON invitations TO portcullis_app, portcullis_system;

      CREATE TABLE service_accounts (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        id uuid PRIMARY KEY,
        name text NOT NULL,
        description text NOT NULL DEFAULT '',
        owner_id uuid NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (org_id, name),
        UNIQUE (org_id, id),
        FOREIGN KEY (org_id, owner_id) REFERENCES memberships (org_id, user_id) ON DELETE CASCADE
      );
      SELECT protect('service_accounts');
      SELECT guard_state('service_accounts');
      GRANT SELECT, INSERT, UPDATE, DELETE ON service_accounts TO portcullis_app, portcullis_system;

      CREATE TABLE api_keys (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        id uuid PRIMARY KEY,
        name text NOT NULL,
        service_account_id uuid,
        -- Who answers for the key; it ends with their membership.
        owner_id uuid NOT NULL,
        digest text NOT NULL,
        -- While a rotation overlaps, the digest before it is accepted too.
        previous_digest text,
        previous_until timestamptz,
        permissions text[] NOT NULL,
        allowed_cidrs text[] NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz,
        revoked_at timestamptz,
        revoked_reason text,
        CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL)),
        CHECK ((previous_digest IS NULL) = (previous_until IS NULL)),
        FOREIGN KEY (org_id, service_account_id) REFERENCES service_accounts (org_id, id) ON DELETE CASCADE,
        FOREIGN KEY (org_id, owner_id) REFERENCES memberships (org_id, user_id) ON DELETE CASCADE
      );
      CREATE INDEX api_keys_org ON api_keys (org_id, id);
      CREATE INDEX api_keys_owner ON api_keys (org_id, owner_id);
      SELECT protect('api_keys');
      SELECT guard_state('api_keys');
      GRANT SELECT, INSERT, UPDATE, DELETE ON api_keys TO portcullis_app, portcullis_system;

      -- Private halves are wrapped by the master key: a stolen database signs nothing.
      CREATE TABLE signing_keys (
        kid text PRIMARY KEY,
        public_jwk text NOT NULL,
        wrapped_private text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        retired_at timestamptz
      );
      GRANT SELECT, INSERT, UPDATE ON signing_keys TO portcullis_system;
      SELECT guard_state('signing_keys', '');

      -- One row: this deployment. Exists before any organization does, hence before any audit log.
      CREATE TABLE deployment (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        id uuid NOT NULL,
        master_key_check text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        set_up_at timestamptz
      );
      GRANT SELECT, INSERT, UPDATE ON deployment TO portcullis_system;

      -- Tokens that may set this deployment up; each process that starts before the set-up adds its own.
      CREATE TABLE setup_tokens (
        digest text PRIMARY KEY,
        created_at timestamptz NOT NULL DEFAULT now()
      );
      GRANT SELECT, INSERT, DELETE ON setup_tokens TO portcullis_system;
    `);
  }

  async down(): Promise<void> {
    throw new Error('the foundation is not taken back: restore a backup instead');
  }
}
