import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Versions of secrets that are found done in Vault or OpenBao get their digests with nobody signed in. */
export class RecordFoundVersions1763769600029 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('GRANT INSERT ON secret_digests TO portcullis_system');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('REVOKE INSERT ON secret_digests FROM portcullis_system');
  }
}
