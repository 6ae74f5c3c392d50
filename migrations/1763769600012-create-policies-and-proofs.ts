import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What an organization decides of its own security, and what a session was proven by and when. Both are what
 * authority depends on, so their changes write invalidations.
 */
export class CreatePoliciesAndProofs1763769600012 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- The one way an invalidation is written: at the commit, under one lock, after the audit locks as everywhere.
      CREATE FUNCTION write_invalidation(subject text) RETURNS void
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = portcullis, pg_temp AS $$
      DECLARE next_pos bigint;
      BEGIN
        PERFORM audit_lock();
        PERFORM pg_advisory_xact_lock(hashtextextended('invalidations', 0));
        SELECT coalesce(max(pos), 0) + 1 INTO next_pos FROM invalidations;
        INSERT INTO invalidations (pos, subject) VALUES (next_pos, subject);
        PERFORM set_config('app.invalidated', next_pos::text, true);
        PERFORM pg_notify('portcullis_invalidations', '');
      END $$;

      CREATE OR REPLACE FUNCTION invalidate() RETURNS trigger
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = portcullis, pg_temp AS $$
      BEGIN
        CASE TG_TABLE_NAME
          WHEN 'memberships' THEN PERFORM write_invalidation('membership:' || OLD.org_id || ':' || OLD.user_id);
          WHEN 'sessions' THEN PERFORM write_invalidation('session:' || OLD.id);
          WHEN 'users' THEN PERFORM write_invalidation('user:' || OLD.id);
          WHEN 'roles' THEN PERFORM write_invalidation('role:' || OLD.id);
          WHEN 'organizations' THEN PERFORM write_invalidation('org:' || OLD.id);
          WHEN 'api_keys' THEN PERFORM write_invalidation('api_key:' || OLD.id);
        END CASE;
        RETURN NULL;
      END $$;

      -- For tables that came later: '<TG_ARGV[0]>:<value of column TG_ARGV[1]>', or TG_ARGV[0] alone.
      CREATE FUNCTION invalidate_subject() RETURNS trigger
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = portcullis, pg_temp AS $$
      BEGIN
        IF TG_NARGS = 1 THEN
          PERFORM write_invalidation(TG_ARGV[0]);
        ELSE
          PERFORM write_invalidation(TG_ARGV[0] || ':' || (to_jsonb(coalesce(NEW, OLD)) ->> TG_ARGV[1]));
        END IF;
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
