import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What speaks for and against a rollout: evidence and the keys that sign it, residual risks, freezes. */
export class CreateEvidenceAndRisks1763769600041 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE evidence_keys (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        id uuid PRIMARY KEY,
        name text NOT NULL,
        -- SHA-256 of the public key (SPKI, DER), hex: what signatures name.
        keyid text NOT NULL,
        algorithm text NOT NULL CHECK (algorithm IN ('ed25519', 'ecdsa-p256')),
        public_key text NOT NULL,
        -- Of the organization's own key; NULL for keys of others.
        wrapped_private text,
        -- The person answerable for what a key of others signs.
        owner_id uuid,
        created_at timestamptz NOT NULL DEFAULT now(),
        revoked_at timestamptz,
        CHECK ((wrapped_private IS NULL) <> (owner_id IS NULL)),
        UNIQUE (org_id, keyid),
        UNIQUE (org_id, id)
      );
      CREATE UNIQUE INDEX evidence_keys_own ON evidence_keys (org_id) WHERE wrapped_private IS NOT NULL AND revoked_at IS NULL;
      CREATE INDEX evidence_keys_list ON evidence_keys (org_id, id);
      SELECT protect('evidence_keys');
      SELECT guard_state('evidence_keys', '');
      GRANT SELECT, INSERT, UPDATE (revoked_at) ON evidence_keys TO portcullis_app;
      GRANT SELECT, UPDATE (wrapped_private) ON evidence_keys TO portcullis_system;

      CREATE TABLE evidence (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        id uuid PRIMARY KEY,
        predicate_type text NOT NULL,
        -- SHA-256 of what it speaks of, hex.
        subjects text[] NOT NULL,
        result text NOT NULL CHECK (result IN ('pass', 'fail', 'inconclusive')),
        producer_id uuid NOT NULL,
        key_id uuid NOT NULL,
        -- DSSE, as it was signed.
        envelope jsonb NOT NULL,
        digest text NOT NULL,
        observed_at timestamptz NOT NULL,
        expires_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (org_id, digest),
        UNIQUE (org_id, id),
        FOREIGN KEY (org_id, key_id) REFERENCES evidence_keys (org_id, id)
      );
      CREATE INDEX evidence_list ON evidence (org_id, id);
      CREATE INDEX evidence_subjects ON evidence USING gin (subjects);
      SELECT protect('evidence');
      SELECT guard_state('evidence');
      GRANT SELECT, INSERT ON evidence TO portcullis_app;
      GRANT SELECT ON evidence TO portcullis_system;

      CREATE TABLE evidence_attachments (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        -- Hex, of the content.
        sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
        media_type text NOT NULL,
        content bytea NOT NULL CHECK (octet_length(content) BETWEEN 1 AND 262144),
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (org_id, sha256)
      );
      SELECT protect('evidence_attachments');
      SELECT guard_state('evidence_attachments');
      GRANT SELECT, INSERT ON evidence_attachments TO portcullis_app;
      GRANT SELECT ON evidence_attachments TO portcullis_system;

      CREATE TABLE risks (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        id uuid PRIMARY KEY,
        rollout_id uuid,
        statement text NOT NULL,
        likelihood_before int NOT NULL CHECK (likelihood_before BETWEEN 1 AND 5),
        consequence_before int NOT NULL CHECK (consequence_before BETWEEN 1 AND 5),
        -- What is left once it was treated.
        likelihood int NOT NULL CHECK (likelihood BETWEEN 1 AND 5),
        consequence int NOT NULL CHECK (consequence BETWEEN 1 AND 5),
        level text NOT NULL CHECK (level IN ('low', 'moderate', 'high', 'critical')),
        treatment text NOT NULL CHECK (treatment IN ('accept', 'mitigate', 'avoid', 'transfer')),
        rationale text NOT NULL,
        conditions text NOT NULL DEFAULT '',
        raised_by uuid NOT NULL,
        review_at timestamptz,
        accepted_by uuid,
        -- The built-in role by whose authority it was accepted.
        accepted_as text,
        accepted_digest text,
        accepted_at timestamptz,
        valid_until timestamptz,
        closed_at timestamptz,
        closed_reason text,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        CHECK (level <> 'critical' OR accepted_by IS NULL),
        FOREIGN KEY (org_id, rollout_id) REFERENCES rollouts (org_id, id) ON DELETE CASCADE
      );
      CREATE INDEX risks_list ON risks (org_id, id);
      CREATE INDEX risks_rollout ON risks (rollout_id);
      SELECT protect('risks');
      SELECT guard_state('risks');
      GRANT SELECT, INSERT, UPDATE (statement, likelihood, consequence, level, treatment, rationale, conditions, review_at,
        accepted_by, accepted_as, accepted_digest, accepted_at, valid_until, closed_at, closed_reason, updated_at)
        ON risks TO portcullis_app;
      GRANT SELECT ON risks TO portcullis_system;

      CREATE TABLE freezes (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        id uuid PRIMARY KEY,
        name text NOT NULL,
        -- A local time in time_zone, a recurrence rule (RFC 5545), and how long each occurrence lasts.
        start text NOT NULL,
        time_zone text NOT NULL,
        rule text,
        duration_seconds int NOT NULL,
        -- Empty: everything.
        target_ids uuid[] NOT NULL DEFAULT '{}',
        environments text[] NOT NULL DEFAULT '{}',
        effects text[] NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (org_id, name),
        UNIQUE (org_id, id)
      );
      SELECT protect('freezes');
      SELECT guard_state('freezes');
      GRANT SELECT, INSERT, DELETE, UPDATE (start, time_zone, rule, duration_seconds, target_ids, environments, effects)
        ON freezes TO portcullis_app;
      GRANT SELECT ON freezes TO portcullis_system;

      CREATE TABLE freeze_exceptions (
        org_id uuid NOT NULL,
        id uuid PRIMARY KEY,
        freeze_id uuid NOT NULL,
        rollout_id uuid NOT NULL,
        digest text NOT NULL,
        reason text NOT NULL,
        asked_by uuid NOT NULL,
        expires_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (rollout_id, freeze_id, digest),
        FOREIGN KEY (org_id, freeze_id) REFERENCES freezes (org_id, id) ON DELETE CASCADE,
        FOREIGN KEY (org_id, rollout_id) REFERENCES rollouts (org_id, id) ON DELETE CASCADE
      );
      SELECT protect('freeze_exceptions');
      SELECT guard_state('freeze_exceptions');
      GRANT SELECT, INSERT, UPDATE (reason, expires_at) ON freeze_exceptions TO portcullis_app;
      GRANT SELECT ON freeze_exceptions TO portcullis_system;
    `);
  }

  async down(): Promise<void> {
    throw new Error('evidence is not taken back: restore a backup instead');
  }
}
