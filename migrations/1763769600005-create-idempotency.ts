import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Answers kept under Idempotency-Key, for a day. Wrapped by the master key: some hand out a secret once. */
export class CreateIdempotency1763769600005 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE idempotency_keys (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        caller_id uuid NOT NULL,
        key text NOT NULL,
        -- SHA-256 of method, path and body.
        fingerprint text NOT NULL,
        -- NULL while the first request is under way.
        wrapped_answer text,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (org_id, caller_id, key)
      );
      CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
      SELECT protect('idempotency_keys');
      GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO portcullis_system;
    `);
  }

  async down(): Promise<void> {
    throw new Error('the foundation is not taken back: restore a backup instead');
  }
}
