import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What an organization decides of its own security, and what a session was proven by and when. Both are what
 * authority depends on, so their changes write invalidations.
 */
export class CreatePoliciesAndProofs1763769600012 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- Writes the invalidation '<TG_ARGV[0]>:<value of column TG_ARGV[1]>'; for tables added after invalidate().
      CREATE FUNCTION invalidate_subject() RETURNS trigger
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = portcullis, pg_temp AS $$
      DECLARE subject text; next_pos bigint;
      BEGIN
        subject := TG_ARGV[0] || ':' || (to_jsonb(coalesce(NEW, OLD)) ->> TG_ARGV[1]);
        PERFORM audit_lock();
        PERFORM pg_advisory_xact_lock(hashtextextended('invalidations', 0));
        SELECT coalesce(max(pos), 0) + 1 INTO next_pos FROM invalidations;
        INSERT INTO invalidations (pos, subject) VALUES (next_pos, subject);
        PERFORM set_config('app.invalidated', next_pos::text, true);
        PERFORM pg_notify('portcullis_invalidations', '');
        RETURN NULL;
      END $$;

      CREATE TABLE org_policies (
        org_id uuid PRIMARY KEY REFERENCES organizations ON DELETE CASCADE,
        -- Only what was set; the rest are the defaults of the running version.
        settings jsonb NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now()
      );
      SELECT protect('org_policies');
      SELECT guard_state('org_policies');
      GRANT SELECT, INSERT, UPDATE, DELETE ON org_policies TO portcullis_app, portcullis_system;
      CREATE CONSTRAINT TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON org_policies
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION invalidate_subject('org', 'org_id');

      ALTER TABLE sessions
        -- When a password, and when a second factor or a passkey, was last proven in this session.
        ADD COLUMN password_at timestamptz,
        ADD COLUMN factor_at timestamptz,
        -- The factor that was; a session ends with the factor it stands on.
        ADD COLUMN factor_id uuid,
        ADD COLUMN device_id uuid;
    `);
  }

  async down(): Promise<void> {
    throw new Error('policies are not taken back: restore a backup instead');
  }
}
