import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Keys of others end by themselves, where that was said when they were trusted. */
export class ExpireEvidenceKeys1763769600048 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE evidence_keys ADD COLUMN expires_at timestamptz;
      ALTER TABLE evidence_keys ADD CHECK (expires_at IS NULL OR owner_id IS NOT NULL);
    `);
  }

  async down(): Promise<void> {
    throw new Error('keys would be trusted again: restore a backup instead');
  }
}
