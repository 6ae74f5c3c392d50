import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Where an organization's audit log is pushed to, how far each sink has got, and what a receiver refused for good.
 * A lane is one log on its way to one sink; whoever holds its lease works it off, and its fence is what a holder
 * that was thought dead can no longer write past.
 */
export class CreateAuditSinks1763769600022 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE audit_sinks (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        id uuid PRIMARY KEY,
        name text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('syslog', 'webhook', 'splunk_hec', 'file')),
        -- By kind; secrets stand here only as references.
        settings jsonb NOT NULL,
        format text NOT NULL CHECK (format IN ('native', 'ocsf', 'ecs', 'cef', 'leef', 'cadf')),
        filter jsonb NOT NULL DEFAULT '{}',
        enabled boolean NOT NULL DEFAULT true,
        -- The logs of all organizations; only for sinks of the platform.
        all_organizations boolean NOT NULL DEFAULT false,
        -- Grows with every change, so that whoever delivers notices.
        version integer NOT NULL DEFAULT 1,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (org_id, name),
        UNIQUE (org_id, id)
      );
      SELECT protect('audit_sinks');
      SELECT guard_state('audit_sinks');
      GRANT SELECT, INSERT, UPDATE (name, settings, format, filter, enabled, version), DELETE
        ON audit_sinks TO portcullis_app;
      GRANT SELECT ON audit_sinks TO portcullis_system;

      CREATE TABLE audit_sink_state (
        org_id uuid NOT NULL,
        sink_id uuid NOT NULL,
        -- Whose log: the sink's own organization, or any where a sink of the platform takes all.
        log_org_id uuid NOT NULL,
        -- The receiver has everything up to here, as surely as its kind can tell.
        delivered_pos bigint NOT NULL DEFAULT 0,
        -- Taken by the receiver, which has not confirmed it yet (Splunk's acknowledgement).
        accepted_pos bigint NOT NULL DEFAULT 0,
        -- Certain even of a connection that tells nothing: it was closed in order after this.
        settled_pos bigint NOT NULL DEFAULT 0,
        -- The size of the log when a worker last looked.
        head_pos bigint NOT NULL DEFAULT 0,
        -- The size of the checkpoint that went down last.
        checkpoint_size bigint NOT NULL DEFAULT 0,
        delivered_at timestamptz,
        -- A second delivery of what is at or before delivered_pos, asked for by an administrator.
        replay_after bigint,
        replay_to bigint,
        failures integer NOT NULL DEFAULT 0,
        breaker text NOT NULL DEFAULT 'closed' CHECK (breaker IN ('closed', 'open', 'half_open')),
        retry_at timestamptz,
        last_error text,
        last_error_at timestamptz,
        lease_owner uuid,
        lease_until timestamptz,
        fence bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (sink_id, log_org_id),
        FOREIGN KEY (org_id, sink_id) REFERENCES audit_sinks (org_id, id) ON DELETE CASCADE
      ) WITH (fillfactor = 50);
      SELECT protect('audit_sink_state');
      GRANT SELECT, INSERT, UPDATE (replay_after, replay_to, failures, breaker, retry_at)
        ON audit_sink_state TO portcullis_app;
      GRANT SELECT, INSERT, UPDATE, DELETE ON audit_sink_state TO portcullis_system;

      CREATE TABLE audit_sink_dead (
        org_id uuid NOT NULL,
        sink_id uuid NOT NULL,
        log_org_id uuid NOT NULL,
        from_pos bigint NOT NULL CHECK (from_pos > 0),
        to_pos bigint NOT NULL CHECK (to_pos >= from_pos),
        code text NOT NULL,
        attempts integer NOT NULL DEFAULT 1,
        at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (sink_id, log_org_id, from_pos),
        FOREIGN KEY (org_id, sink_id) REFERENCES audit_sinks (org_id, id) ON DELETE CASCADE
      );
      SELECT protect('audit_sink_dead');
      GRANT SELECT, INSERT, DELETE ON audit_sink_dead TO portcullis_app;
      GRANT SELECT, INSERT, UPDATE, DELETE ON audit_sink_dead TO portcullis_system;
    `);
  }

  async down(): Promise<void> {
    throw new Error('audit sinks are not taken back: restore a backup instead');
  }
}
