import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Passwords that somebody else made run out, and a person who forgot theirs gets a link that works once. */
export class KeepPasswordRules1763769600011 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- When a password that works once runs out; NULL for the ones that people choose.
      ALTER TABLE passwords ADD COLUMN valid_until timestamptz;

      -- Whoever holds the token behind a digest chooses the person's next password: state, hence recorded.
      CREATE TABLE password_resets (
        id uuid PRIMARY KEY,
        digest text NOT NULL UNIQUE,
        user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
        -- The admin or the key that started it; NULL where the person did.
        started_by uuid,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        used_at timestamptz
      );
      CREATE INDEX password_resets_user ON password_resets (user_id);
      GRANT SELECT, INSERT, UPDATE, DELETE ON password_resets TO portcullis_system;
      SELECT guard_state('password_resets', '');
    `);
  }

  async down(): Promise<void> {
    throw new Error('the foundation is not taken back: restore a backup instead');
  }
}
