import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What a refresh token was answered with stays for a few seconds, for the tab that asked at the same moment. And a
 * session may stand on a proof that is older than itself, where a person switched organization. And thousands of
 * sessions can be ended at once.
 */
export class KeepSuccessors1763769600014 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- Beside refresh_tokens and not in it: this ends by itself and says nothing that the log does not, so its
      -- rows are erased without a record.
      CREATE TABLE refresh_successors (
        org_id uuid NOT NULL,
        token_id uuid PRIMARY KEY REFERENCES refresh_tokens ON DELETE CASCADE,
        -- The token that came after, wrapped by the master key.
        wrapped text NOT NULL,
        -- Keyed digest of who got it; see refresh-grace.ts.
        client text NOT NULL,
        erase_at timestamptz NOT NULL
      );
      CREATE INDEX refresh_successors_erase_at ON refresh_successors (erase_at);
      SELECT protect('refresh_successors');
      GRANT SELECT, INSERT, DELETE ON refresh_successors TO portcullis_system;

      -- When the person proved themselves, where that was before the session began; absolute lifetimes count from it.
      ALTER TABLE sessions ADD COLUMN proven_at timestamptz;

      -- An organization shortens the sessions that live, when its policy gets stricter.
      GRANT UPDATE (idle_seconds, expires_at) ON sessions TO portcullis_app;

      -- One record is enough, and asking for it must not read them all: a bitmap of the transaction's records made
      -- each row of a bulk revocation cost as much as there were rows.
      ALTER FUNCTION audited(uuid) SET enable_bitmapscan = off;
    `);
  }

  async down(): Promise<void> {
    throw new Error('successors are not taken back: restore a backup instead');
  }
}
