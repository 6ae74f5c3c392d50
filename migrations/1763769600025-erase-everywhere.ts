import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A person is erased from the logs of all organizations at once: an erasure in each log that speaks of them, under one
 * id, which a job asks for in the name of an operator of the platform.
 */
export class EraseEverywhere1763769600025 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      GRANT INSERT (org_id, id, user_id, requested_by, up_to) ON audit_erasures TO portcullis_system;
      CREATE INDEX audit_erasures_id ON audit_erasures (id);
    `);
  }

  async down(): Promise<void> {
    throw new Error('the audit log is not taken back: restore a backup instead');
  }
}
