import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The outbox: what other systems may react to, written in the transaction of the change; how far each destination
 * has got; and the evidence of every publication. Positions are given at commit under the lock of the audit log, so
 * they are contiguous per organization and in the order of commits, and no event commits without the audit record
 * of its change.
 */
export class CreateEvents1763769600034 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- No foreign keys: an event outlives its organization, for its end is one.
      CREATE TABLE events (
        org_id uuid NOT NULL,
        id uuid NOT NULL,
        type text NOT NULL,
        -- The CloudEvent as RFC 8785 canonical JSON, without its sequence, which only the commit gives.
        body text NOT NULL,
        PRIMARY KEY (org_id, id)
      );
      SELECT protect('events');
      CREATE TABLE event_positions (
        org_id uuid NOT NULL,
        pos bigint NOT NULL CHECK (pos > 0),
        event_id uuid NOT NULL,
        type text NOT NULL,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (org_id, pos)
      );
      CREATE INDEX event_positions_type ON event_positions (org_id, type, pos);
      CREATE UNIQUE INDEX event_positions_event ON event_positions (org_id, event_id);
      SELECT protect('event_positions');
      -- Which logs there are, and what was dropped of them.
      CREATE TABLE event_logs (
        org_id uuid PRIMARY KEY,
        pruned_up_to bigint NOT NULL DEFAULT 0
      );
      SELECT protect('event_logs');
      GRANT SELECT, INSERT ON events TO portcullis_app, portcullis_system;
      GRANT SELECT ON event_positions, event_logs TO portcullis_app, portcullis_system;
      GRANT DELETE ON events, event_positions TO portcullis_system;
      GRANT UPDATE (pruned_up_to) ON event_logs TO portcullis_system;

      CREATE FUNCTION event_position() RETURNS trigger
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = portcullis, pg_temp AS $$
      DECLARE last_pos bigint;
      BEGIN
        IF current_setting('app.audit_locked', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
          PERFORM audit_lock();
        END IF;
        -- Also what makes the lock right: it is that of the logs which this transaction writes to.
        IF NOT audited(NEW.org_id) THEN
          RAISE EXCEPTION 'an event has no audit record in its transaction' USING ERRCODE = 'PC001';
        END IF;
        SELECT pos INTO last_pos FROM event_positions WHERE org_id = NEW.org_id ORDER BY pos DESC LIMIT 1;
        IF last_pos IS NULL THEN INSERT INTO event_logs (org_id) VALUES (NEW.org_id) ON CONFLICT DO NOTHING; END IF;
        INSERT INTO event_positions (org_id, pos, event_id, type)
        VALUES (NEW.org_id, coalesce(last_pos, 0) + 1, NEW.id, NEW.type);
        RETURN NULL;
      END $$;
      CREATE CONSTRAINT TRIGGER event_position AFTER INSERT ON events
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION event_position();

      CREATE FUNCTION event_unchanging() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION '% does not change: what was published stays as it is', TG_TABLE_NAME USING ERRCODE = 'PC002';
      END $$;
      CREATE TRIGGER unchanging BEFORE UPDATE OR TRUNCATE ON events
        FOR EACH STATEMENT EXECUTE FUNCTION event_unchanging();
      CREATE TRIGGER unchanging BEFORE UPDATE OR TRUNCATE ON event_positions
        FOR EACH STATEMENT EXECUTE FUNCTION event_unchanging();

      -- One organization's events on their way to one destination.
      CREATE TABLE event_lanes (
        org_id uuid NOT NULL,
        destination text NOT NULL CHECK (destination ~ '^[a-z][a-z0-9-]{0,30}$'),
        -- Everything up to here is there, or put aside.
        delivered_pos bigint NOT NULL DEFAULT 0,
        -- Where the destination put the newest that it acknowledged.
        delivered_sequence bigint NOT NULL DEFAULT 0,
        delivered_at timestamptz,
        failures integer NOT NULL DEFAULT 0,
        breaker text NOT NULL DEFAULT 'closed' CHECK (breaker IN ('closed', 'open', 'half_open')),
        retry_at timestamptz,
        last_error text,
        last_error_at timestamptz,
        lease_owner uuid,
        lease_until timestamptz,
        fence bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (destination, org_id)
      ) WITH (fillfactor = 50);
      SELECT protect('event_lanes');
      GRANT SELECT ON event_lanes TO portcullis_app;
      GRANT SELECT, INSERT, UPDATE, DELETE ON event_lanes TO portcullis_system;

      -- What was published where: one row for each acknowledgement.
      CREATE TABLE event_publications (
        org_id uuid NOT NULL,
        pos bigint NOT NULL,
        destination text NOT NULL,
        attempt integer NOT NULL CHECK (attempt > 0),
        event_id uuid NOT NULL,
        -- As the destination acknowledged it.
        stream text NOT NULL,
        sequence bigint NOT NULL,
        -- The destination had it already: from a try whose acknowledgement was lost.
        duplicate boolean NOT NULL,
        payload_sha256 bytea NOT NULL CHECK (octet_length(payload_sha256) = 32),
        -- Of the lease that it was published under.
        fence bigint NOT NULL,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (org_id, pos, destination, attempt)
      );
      SELECT protect('event_publications');
      GRANT SELECT ON event_publications TO portcullis_app;
      GRANT SELECT, INSERT, DELETE ON event_publications TO portcullis_system;
      CREATE TRIGGER unchanging BEFORE UPDATE OR TRUNCATE ON event_publications
        FOR EACH STATEMENT EXECUTE FUNCTION event_unchanging();

      -- What a destination refused for good; retry: somebody asked that it be tried again.
      CREATE TABLE event_dead_letters (
        org_id uuid NOT NULL,
        destination text NOT NULL,
        pos bigint NOT NULL,
        event_id uuid NOT NULL,
        code text NOT NULL,
        attempts integer NOT NULL DEFAULT 1,
        retry boolean NOT NULL DEFAULT false,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (org_id, destination, pos)
      );
      CREATE INDEX event_dead_letters_retry ON event_dead_letters (org_id, destination, pos) WHERE retry;
      SELECT protect('event_dead_letters');
      GRANT SELECT, UPDATE (retry) ON event_dead_letters TO portcullis_app;
      GRANT SELECT, INSERT, UPDATE, DELETE ON event_dead_letters TO portcullis_system;
    `);
  }

  async down(): Promise<void> {
    throw new Error('events are not taken back: restore a backup instead');
  }
}
