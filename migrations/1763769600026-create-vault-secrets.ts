import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What the database keeps of secrets that lie in Vault or OpenBao: which id belongs to which path, and which changes
 * were sent there and have not ended. Neither holds a value.
 */
export class CreateVaultSecrets1763769600026 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE vault_secrets (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        id uuid PRIMARY KEY,
        path text NOT NULL CHECK (path ~ '^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$'),
        -- Somebody else put it there, and it does not bear our id.
        adopted boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (org_id, path)
      );
      SELECT protect('vault_secrets');
      SELECT guard_state('vault_secrets');
      GRANT SELECT, INSERT (org_id, id, path, adopted), UPDATE (adopted), DELETE
         ON vault_secrets TO portcullis_app, portcullis_system;

      -- A change that was sent to the server. It stands here from before it is sent until its end is in the log.
      CREATE TABLE vault_changes (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        id uuid PRIMARY KEY,
        secret_id uuid NOT NULL,
        path text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('created', 'written', 'updated', 'deleted', 'undeleted', 'destroyed')),
        -- What it comes to where it takes place: the version that is written, digests of its fields, settings.
        intent jsonb NOT NULL,
        started_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE INDEX vault_changes_secret ON vault_changes (org_id, path);
      CREATE INDEX vault_changes_started ON vault_changes (started_at);
      SELECT protect('vault_changes');
      SELECT guard_state('vault_changes');
      GRANT SELECT, INSERT (org_id, id, secret_id, path, kind, intent), DELETE
         ON vault_changes TO portcullis_app, portcullis_system;
    `);
  }

  async down(): Promise<void> {
    throw new Error('which id belongs to which secret would be lost: restore a backup instead');
  }
}
