import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What was found in a log ends: when a later verification of all of it finds it no more, or when an operator has
 * acknowledged the fork that it was. It stays on record with the time of that.
 */
export class EndAuditFindings1763769600024 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE audit_findings ADD COLUMN resolved_at timestamptz;
      CREATE INDEX audit_findings_open ON audit_findings (org_id, id) WHERE resolved_at IS NULL;
      GRANT UPDATE (resolved_at) ON audit_findings TO portcullis_system;

      -- A finding ends once, and nothing else of it changes.
      CREATE FUNCTION audit_findings_only_end() RETURNS trigger
      LANGUAGE plpgsql SET search_path = portcullis, pg_temp AS $$
      BEGIN
        IF OLD.resolved_at IS NOT NULL OR NEW.resolved_at IS NULL
           OR to_jsonb(NEW) - 'resolved_at' IS DISTINCT FROM to_jsonb(OLD) - 'resolved_at' THEN
          RAISE EXCEPTION 'of a finding only its end may be written, once' USING ERRCODE = 'PC002';
        END IF;
        RETURN NEW;
      END $$;
      DROP TRIGGER append_only ON audit_findings;
      CREATE TRIGGER append_only BEFORE DELETE ON audit_findings
        FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
      CREATE TRIGGER only_end BEFORE UPDATE ON audit_findings
        FOR EACH ROW EXECUTE FUNCTION audit_findings_only_end();

      -- Forks that operators have acknowledged before findings had an end.
      UPDATE audit_findings f
         SET resolved_at = (SELECT max(k.acknowledged_at) FROM audit_forks k WHERE k.org_id = f.org_id)
       WHERE f.kind = 'fork' AND EXISTS (
               SELECT FROM audit_forks k WHERE k.org_id = f.org_id AND k.acknowledged_at >= f.found_at);
      SET CONSTRAINTS ALL IMMEDIATE;
    `);
  }

  async down(): Promise<void> {
    throw new Error('the audit log is not taken back: restore a backup instead');
  }
}
