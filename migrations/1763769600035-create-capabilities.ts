import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The registry of capabilities: a manifest of each version, which never changes, where its life stands, and every
 * step of it. Every change of a capability writes an invalidation: what is bound to it hears of its quarantine when
 * that answers.
 */
export class CreateCapabilities1763769600035 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE capabilities (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        id uuid PRIMARY KEY,
        name text NOT NULL,
        version text NOT NULL,
        product text NOT NULL,
        state text NOT NULL DEFAULT 'proposed'
          CHECK (state IN ('proposed', 'admitted', 'active', 'quarantined', 'revoked')),
        manifest jsonb NOT NULL,
        -- SHA-256 over the manifest as RFC 8785 canonical JSON.
        digest bytea NOT NULL CHECK (octet_length(digest) = 32),
        proposed_at timestamptz NOT NULL DEFAULT now(),
        changed_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (org_id, id),
        UNIQUE (org_id, name, version)
      );
      CREATE UNIQUE INDEX capabilities_active ON capabilities (org_id, name) WHERE state = 'active';
      SELECT protect('capabilities');
      SELECT guard_state('capabilities');
      -- A manifest is what was admitted, so it does not change: another is another version.
      GRANT SELECT, INSERT, UPDATE (state, changed_at) ON capabilities TO portcullis_app;
      GRANT SELECT ON capabilities TO portcullis_system;
      CREATE CONSTRAINT TRIGGER invalidate AFTER UPDATE OR DELETE ON capabilities
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION invalidate_subject('capability', 'id');

      CREATE TABLE capability_steps (
        org_id uuid NOT NULL,
        id uuid PRIMARY KEY,
        capability_id uuid NOT NULL,
        action text NOT NULL,
        from_state text,
        to_state text NOT NULL,
        actor_type text NOT NULL,
        actor_id text NOT NULL,
        reason text,
        at timestamptz NOT NULL DEFAULT now(),
        FOREIGN KEY (org_id, capability_id) REFERENCES capabilities (org_id, id) ON DELETE CASCADE
      );
      CREATE INDEX capability_steps_order ON capability_steps (org_id, capability_id, id);
      SELECT protect('capability_steps');
      SELECT guard_state('capability_steps');
      GRANT SELECT, INSERT ON capability_steps TO portcullis_app;
      GRANT SELECT ON capability_steps TO portcullis_system;
    `);
  }

  async down(): Promise<void> {
    throw new Error('capabilities are not taken back: restore a backup instead');
  }
}
