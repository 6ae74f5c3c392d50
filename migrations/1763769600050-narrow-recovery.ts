import type { MigrationInterface, QueryRunner } from 'typeorm';

/** How far a rollback goes, what a break-glass went past unread, and exceptions that may be asked for again. */
export class NarrowRecovery1763769600050 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- The targets that a rollback takes back; NULL: every one that something was done to.
      ALTER TABLE rollouts ADD COLUMN recovery_targets uuid[];
      GRANT UPDATE (recovery_targets) ON rollouts TO portcullis_app;

      -- What could not be read when it was opened: source, target:<id>.
      ALTER TABLE rollout_break_glass ADD COLUMN unread text[] NOT NULL DEFAULT '{}';

      -- One that has ended keeps nobody from asking again.
      ALTER TABLE freeze_exceptions DROP CONSTRAINT freeze_exceptions_rollout_id_freeze_id_digest_key;
      CREATE INDEX freeze_exceptions_rollout ON freeze_exceptions (rollout_id, digest, id);
      CREATE INDEX freeze_exceptions_list ON freeze_exceptions (freeze_id, id);
    `);
  }

  async down(): Promise<void> {
    throw new Error('rollouts are not taken back: restore a backup instead');
  }
}
