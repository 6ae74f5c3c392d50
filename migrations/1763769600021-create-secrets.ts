import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The embedded store of secrets. The master key wraps one key per organization, that key encrypts the organization's
 * secrets: the master key rotates without touching a secret, and an organization's secrets end with its key.
 */
export class CreateSecrets1763769600021 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE org_keys (
        org_id uuid PRIMARY KEY REFERENCES organizations ON DELETE CASCADE,
        id uuid NOT NULL UNIQUE,
        -- Wrapped by the master key. NULL once destroyed: what it encrypted is lost for ever, and no key follows.
        wrapped_key text,
        created_at timestamptz NOT NULL DEFAULT now(),
        destroyed_at timestamptz,
        CHECK ((wrapped_key IS NULL) = (destroyed_at IS NOT NULL))
      );
      SELECT protect('org_keys');
      -- The record of a rotation of the master key stands in the platform's log, for all keys at once.
      SELECT guard_state('org_keys', '');
      GRANT SELECT, INSERT (org_id, id, wrapped_key) ON org_keys TO portcullis_app;
      GRANT SELECT, INSERT, UPDATE (wrapped_key, destroyed_at), DELETE ON org_keys TO portcullis_system;

      CREATE TABLE secrets (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        id uuid PRIMARY KEY,
        -- The encryption is bound to it: a secret is not renamed.
        path text NOT NULL CHECK (path ~ '^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$'),
        description text NOT NULL DEFAULT '',
        tags jsonb NOT NULL DEFAULT '{}',
        current_version int NOT NULL DEFAULT 1 CHECK (current_version > 0),
        max_versions int NOT NULL DEFAULT 10 CHECK (max_versions BETWEEN 1 AND 100),
        cas_required boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        deleted_at timestamptz,
        UNIQUE (org_id, id)
      );
      -- Byte order, so that a prefix is a range.
      CREATE UNIQUE INDEX secrets_path ON secrets (org_id, path COLLATE "C");
      SELECT protect('secrets');
      SELECT guard_state('secrets');
      GRANT SELECT, INSERT, DELETE,
            UPDATE (description, tags, current_version, max_versions, cas_required, updated_at, deleted_at)
         ON secrets TO portcullis_app;
      GRANT SELECT, DELETE ON secrets TO portcullis_system;

      CREATE TABLE secret_versions (
        org_id uuid NOT NULL,
        secret_id uuid NOT NULL,
        version int NOT NULL CHECK (version > 0),
        key_id uuid NOT NULL,
        -- AES-256-GCM: nonce, ciphertext, tag. NULL once destroyed.
        ciphertext bytea,
        -- Names, never values.
        fields text[] NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        deleted_at timestamptz,
        destroyed_at timestamptz,
        PRIMARY KEY (secret_id, version),
        FOREIGN KEY (org_id, secret_id) REFERENCES secrets (org_id, id) ON DELETE CASCADE,
        CHECK ((ciphertext IS NULL) = (destroyed_at IS NOT NULL))
      );
      -- What is encrypted does not compress; PostgreSQL need not try.
      ALTER TABLE secret_versions ALTER COLUMN ciphertext SET STORAGE EXTERNAL;
      SELECT protect('secret_versions');
      SELECT guard_state('secret_versions');
      GRANT SELECT, INSERT, DELETE, UPDATE (ciphertext, fields, deleted_at, destroyed_at)
         ON secret_versions TO portcullis_app;
      GRANT SELECT, DELETE ON secret_versions TO portcullis_system;

      -- HMAC of each value under the organization's key. Outlives the version: leaks are found late.
      CREATE TABLE secret_digests (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        secret_id uuid NOT NULL,
        version int NOT NULL,
        field text NOT NULL,
        path text NOT NULL,
        digest text NOT NULL,
        PRIMARY KEY (secret_id, version, field)
      );
      CREATE INDEX secret_digests_digest ON secret_digests (org_id, digest);
      SELECT protect('secret_digests');
      SELECT guard_state('secret_digests');
      GRANT SELECT, INSERT ON secret_digests TO portcullis_app;
      GRANT SELECT, DELETE ON secret_digests TO portcullis_system;

      -- Who got which value when: what the audit log says too, findable by secret.
      CREATE TABLE secret_uses (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        id uuid PRIMARY KEY,
        secret_id uuid NOT NULL,
        version int NOT NULL,
        -- The one field that was resolved; NULL where all were revealed.
        field text,
        kind text NOT NULL CHECK (kind IN ('revealed', 'resolved')),
        -- A user or an API key; or the purpose.
        used_by text NOT NULL,
        request_id text NOT NULL,
        used_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE INDEX secret_uses_secret ON secret_uses (secret_id, version, id);
      CREATE INDEX secret_uses_org ON secret_uses (org_id);
      SELECT protect('secret_uses');
      SELECT guard_state('secret_uses');
      GRANT SELECT, INSERT (org_id, id, secret_id, version, field, kind, used_by, request_id)
         ON secret_uses TO portcullis_app, portcullis_system;
      GRANT DELETE ON secret_uses TO portcullis_system;

      -- Every replica wraps by the new master key once the deployment does.
      CREATE CONSTRAINT TRIGGER invalidate_master_key AFTER UPDATE OF master_key_check ON deployment
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION invalidate_subject('master_key');
    `);
  }

  async down(): Promise<void> {
    throw new Error('secrets would be lost: restore a backup instead');
  }
}
