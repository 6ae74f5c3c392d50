import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Secrets that lie elsewhere may be held in memory: what changes one says so to every process. */
export class ForgetSecrets1763769600027 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- Paths are what people call things: the stream names them by their digest. Forgetting too much costs a question.
      CREATE FUNCTION forget_secret(org uuid, path text) RETURNS void
      LANGUAGE sql SECURITY DEFINER SET search_path = portcullis, pg_temp
      BEGIN ATOMIC
        SELECT write_invalidation('secret:' || org || ':' || encode(sha256(convert_to(path, 'UTF8')), 'hex'));
      END;
      GRANT EXECUTE ON FUNCTION forget_secret TO portcullis_system;
    `);
  }

  async down(): Promise<void> {
    throw new Error('the stream of invalidations only grows');
  }
}
