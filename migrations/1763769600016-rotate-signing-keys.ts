import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Signing keys rotate: next -> current -> retiring -> retired, and withdrawn from any of them. One key signs at a
 * time, in the database's own words, so that no replica's clock has a say. A key that is accepted no more keeps no
 * private half.
 */
export class RotateSigningKeys1763769600016 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE signing_keys
        ADD state text NOT NULL DEFAULT 'next'
          CHECK (state IN ('next', 'current', 'retiring', 'retired', 'withdrawn')),
        ADD signs_from timestamptz,
        ADD signs_until timestamptz;
      -- Until now the newest signed and the others verified.
      UPDATE signing_keys k SET signs_from = created_at,
        state = CASE WHEN retired_at IS NOT NULL THEN 'retired'
                     WHEN kid = (SELECT kid FROM signing_keys WHERE retired_at IS NULL ORDER BY created_at DESC LIMIT 1)
                     THEN 'current' ELSE 'retiring' END,
        signs_until = CASE WHEN kid = (SELECT kid FROM signing_keys WHERE retired_at IS NULL ORDER BY created_at DESC LIMIT 1)
                           THEN NULL ELSE coalesce(retired_at, now()) END,
        wrapped_private = CASE WHEN retired_at IS NULL THEN wrapped_private ELSE '' END;
      SET CONSTRAINTS ALL IMMEDIATE;
      SET CONSTRAINTS ALL DEFERRED;
      ALTER TABLE signing_keys ALTER state DROP DEFAULT,
        ADD CHECK ((state IN ('retired', 'withdrawn')) = (retired_at IS NOT NULL)),
        ADD CHECK ((state IN ('retired', 'withdrawn')) = (wrapped_private = '')),
        ADD CHECK (state <> 'current' OR signs_from IS NOT NULL),
        ADD CHECK (state <> 'retiring' OR signs_until IS NOT NULL);
      CREATE UNIQUE INDEX signing_keys_one_next ON signing_keys (state) WHERE state = 'next';
      CREATE UNIQUE INDEX signing_keys_one_current ON signing_keys (state) WHERE state = 'current';

      -- A new key is news too: replicas must know it before the first token that it signs.
      CREATE CONSTRAINT TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON signing_keys
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION invalidate_subject('signing_key', 'kid');
    `);
  }

  async down(): Promise<void> {
    throw new Error('which key signs would be lost: restore a backup instead');
  }
}
