import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Whether an operator has made the system read-only. Every replica hears of a change as of a revocation. */
export class KeepSystemState1763769600031 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- A row while it is; none otherwise.
      CREATE TABLE read_only_order (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        reason text NOT NULL,
        ordered_by text NOT NULL,
        since timestamptz NOT NULL DEFAULT now()
      );
      SELECT guard_state('read_only_order', '');
      GRANT SELECT, INSERT (reason, ordered_by), UPDATE (reason, ordered_by), DELETE
         ON read_only_order TO portcullis_system;
      CREATE CONSTRAINT TRIGGER invalidate_state AFTER INSERT OR UPDATE OR DELETE ON read_only_order
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION invalidate_subject('system_state');
    `);
  }

  async down(): Promise<void> {
    throw new Error('an operator may rely on it: restore a backup instead');
  }
}
