import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Functions are closed. PostgreSQL lets everybody run a new function, and most of ours run with the owner's rights:
 * whoever may make a table, if only a temporary one, could hang audit_position() or invalidate() on it and write
 * what they like into any organization's log. (A trigger that exists fires without this right.)
 * A row that moves to another organization needs the record of both. And the platform's own work gets the second
 * check that the work within an organization has.
 */
export class CloseFunctions1763769600004 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA portcullis FROM PUBLIC;
      -- What the owner makes from now on starts closed. Only without IN SCHEMA does this take the right away.
      ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
      -- The policies ask it with the rights of whoever queries; the system's policies do not ask.
      GRANT EXECUTE ON FUNCTION current_org TO portcullis_app;
      GRANT EXECUTE ON FUNCTION enter_org TO portcullis_app, portcullis_system;

      CREATE OR REPLACE FUNCTION require_audit() RETURNS trigger
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = portcullis, pg_temp AS $$
      DECLARE before uuid; after uuid;
      BEGIN
        IF session_user = 'portcullis_owner' THEN RETURN NULL; END IF;
        -- OLD is all NULL on INSERT, NEW on DELETE; where no column names the organization, any record will do.
        IF TG_ARGV[0] = 'org_id' THEN before := OLD.org_id; after := NEW.org_id;
        ELSIF TG_ARGV[0] = 'id' THEN before := OLD.id; after := NEW.id;
        END IF;
        IF NOT audited(coalesce(after, before))
           OR before IS NOT NULL AND after IS NOT NULL AND before <> after AND NOT audited(before) THEN
          RAISE EXCEPTION 'a change of % has no audit record in its transaction', TG_TABLE_NAME USING ERRCODE = 'PC001';
        END IF;
        RETURN NULL;
      END $$;

      -- A statement's rows stay where they are: who moves rows in bulk would need two records for each.
      CREATE FUNCTION forbid_move() RETURNS trigger LANGUAGE plpgsql SET search_path = portcullis, pg_temp AS $$
      BEGIN
        RAISE EXCEPTION 'a row of % does not change its organization', TG_TABLE_NAME USING ERRCODE = 'PC001';
      END $$;
      CREATE TRIGGER no_move BEFORE UPDATE OF org_id ON refresh_tokens
        FOR EACH ROW WHEN (OLD.org_id IS DISTINCT FROM NEW.org_id) EXECUTE FUNCTION forbid_move();

      -- What only the platform's operators do is asked under another name: the guard may forget to, this does not.
      CREATE FUNCTION enter_platform(org uuid, credential_kind text, credential uuid) RETURNS void
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = portcullis, pg_temp AS $$
      BEGIN
        IF NOT EXISTS (SELECT FROM organizations WHERE id = org AND kind = 'platform') THEN
          RAISE EXCEPTION 'the credential is not one of the platform organization' USING ERRCODE = 'PC401';
        END IF;
        PERFORM enter_org(org, credential_kind, credential);
      END $$;
      GRANT EXECUTE ON FUNCTION enter_platform TO portcullis_system;
    `);
  }

  async down(): Promise<void> {
    throw new Error('the foundation is not taken back: restore a backup instead');
  }
}
