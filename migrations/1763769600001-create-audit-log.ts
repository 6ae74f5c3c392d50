import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The audit log. An event is written in the transaction of the change it speaks of; its position is given at
 * commit, under a lock per organization, so positions are contiguous and in commit order: a reader that has seen
 * position n will never find something new at or before n. (Sequences and now() are taken before commit and give
 * no such promise.)
 */
export class CreateAuditLog1763769600001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- No foreign keys: a record outlives what it speaks of.
      CREATE TABLE audit_events (
        org_id uuid NOT NULL,
        id uuid NOT NULL,
        -- RFC 8785 canonical JSON: the bytes that leaf_hash is over, and that every export shows.
        leaf text NOT NULL,
        -- Personal values beside the leaf, which holds only their commitments.
        personal text NOT NULL,
        -- Below: filled by the trigger from the leaf, so that they cannot disagree with it.
        leaf_hash bytea NOT NULL,
        time timestamptz NOT NULL,
        action text NOT NULL,
        outcome text NOT NULL CHECK (outcome IN ('success', 'denied', 'failure')),
        actor_type text NOT NULL,
        actor_id text NOT NULL,
        target_type text NOT NULL,
        target_id text NOT NULL,
        xid xid8 NOT NULL,
        tx_time timestamptz NOT NULL,
        PRIMARY KEY (org_id, id)
      );
      CREATE INDEX audit_events_xid ON audit_events (xid);
      SELECT protect('audit_events');

      CREATE TABLE audit_positions (
        org_id uuid NOT NULL,
        pos bigint NOT NULL CHECK (pos > 0),
        event_id uuid NOT NULL,
        leaf_hash bytea NOT NULL,
        prev_hash bytea NOT NULL,
        PRIMARY KEY (org_id, pos)
      );
      SELECT protect('audit_positions');

      -- The product may only add events, and may not choose what the trigger fills.
      GRANT SELECT, INSERT (org_id, id, leaf, personal) ON audit_events TO portcullis_app, portcullis_system;
      GRANT SELECT ON audit_positions TO portcullis_app, portcullis_system;

      -- It reads nothing but its row, so it needs nobody's rights: on the path of every change, less is faster.
      CREATE FUNCTION audit_fill() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE e jsonb := NEW.leaf::jsonb; org text; id text;
      BEGIN
        SELECT e->>'org', e->>'id', (e->>'time')::timestamptz, e->>'action', e->>'outcome',
               e->'actor'->>'type', e->'actor'->>'id', e->'target'->>'type', e->'target'->>'id',
               sha256('\\x00'::bytea || convert_to(NEW.leaf, 'UTF8')), pg_current_xact_id(), now()
          INTO org, id, NEW.time, NEW.action, NEW.outcome,
               NEW.actor_type, NEW.actor_id, NEW.target_type, NEW.target_id, NEW.leaf_hash, NEW.xid, NEW.tx_time;
        IF org IS DISTINCT FROM NEW.org_id::text OR id IS DISTINCT FROM NEW.id::text THEN
          RAISE EXCEPTION 'an audit event must carry its own organization and id' USING ERRCODE = 'PC003';
        END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER audit_fill BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION audit_fill();

      -- Locks the logs this transaction writes to, lowest organization first, once per transaction: two
      -- transactions that write to the same logs never wait for each other crosswise.
      -- A session keeps the plan it made when the log was short, so the plan must be the one for a long log: no
      -- sequential scan, and (OFFSET 0) no walk along the primary key for the sake of its order.
      CREATE FUNCTION audit_lock() RETURNS void
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = portcullis, pg_temp SET enable_seqscan = off AS $$
      DECLARE org uuid;
      BEGIN
        IF current_setting('app.audit_locked', true) = pg_current_xact_id()::text THEN RETURN; END IF;
        FOR org IN SELECT DISTINCT own.org_id FROM
                     (SELECT org_id FROM audit_events
                       WHERE xid = pg_current_xact_id() AND tx_time = now() OFFSET 0) own ORDER BY own.org_id LOOP
          PERFORM pg_advisory_xact_lock(hashtextextended('audit:' || org, 0));
        END LOOP;
        PERFORM set_config('app.audit_locked', pg_current_xact_id()::text, true);
      END $$;
      REVOKE EXECUTE ON FUNCTION audit_lock FROM PUBLIC;

      CREATE FUNCTION audit_position() RETURNS trigger
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = portcullis, pg_temp AS $$
      DECLARE last_pos bigint; last_hash bytea;
      BEGIN
        IF current_setting('app.audit_locked', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
          PERFORM audit_lock();
        END IF;
        SELECT pos, leaf_hash INTO last_pos, last_hash
          FROM audit_positions WHERE org_id = NEW.org_id ORDER BY pos DESC LIMIT 1;
        INSERT INTO audit_positions (org_id, pos, event_id, leaf_hash, prev_hash)
        VALUES (NEW.org_id, coalesce(last_pos, 0) + 1, NEW.id, NEW.leaf_hash,
                coalesce(last_hash, decode(repeat('00', 32), 'hex')));
        RETURN NULL;
      END $$;
      CREATE CONSTRAINT TRIGGER audit_position AFTER INSERT ON audit_events
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_position();

      -- Append-only, for owner and superuser too unless they switch triggers off, which checkpoints outside show.
      CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'PC002';
      END $$;
      CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
        FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
      CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_positions
        FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();

      -- No unaudited edit: a changed row needs an audit record of its organization in the same transaction.
      CREATE FUNCTION audited(org uuid) RETURNS boolean
      LANGUAGE sql STABLE SECURITY DEFINER SET search_path = portcullis, pg_temp SET enable_seqscan = off
      BEGIN ATOMIC
        SELECT EXISTS (SELECT FROM audit_events
                        WHERE xid = pg_current_xact_id() AND tx_time = now() AND (org IS NULL OR org_id = org));
      END;

      -- TG_ARGV[0]: the column that names the organization, or '' where any organization's record will do.
      CREATE FUNCTION require_audit() RETURNS trigger
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = portcullis, pg_temp AS $$
      DECLARE org uuid;
      BEGIN
        IF session_user = 'portcullis_owner' THEN RETURN NULL; END IF;
        IF TG_ARGV[0] = 'org_id' THEN
          IF TG_OP = 'DELETE' THEN org := OLD.org_id; ELSE org := NEW.org_id; END IF;
        ELSIF TG_ARGV[0] = 'id' THEN
          IF TG_OP = 'DELETE' THEN org := OLD.id; ELSE org := NEW.id; END IF;
        END IF;
        IF NOT audited(org) THEN
          RAISE EXCEPTION 'a change of % has no audit record in its transaction', TG_TABLE_NAME USING ERRCODE = 'PC001';
        END IF;
        RETURN NULL;
      END $$;

      -- The same for statements that change many rows: the record comes first, the check is one query.
      CREATE FUNCTION require_audit_before() RETURNS trigger
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = portcullis, pg_temp AS $$
      DECLARE missing bigint;
      BEGIN
        IF session_user = 'portcullis_owner' THEN RETURN NULL; END IF;
        SELECT count(*) INTO missing FROM (SELECT DISTINCT org_id FROM changed) c WHERE NOT audited(c.org_id);
        IF missing > 0 THEN
          RAISE EXCEPTION 'a change of % has no audit record before it', TG_TABLE_NAME USING ERRCODE = 'PC001';
        END IF;
        RETURN NULL;
      END $$;

      CREATE FUNCTION forbid_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION '% is not truncated: rows go one by one, with a record', TG_TABLE_NAME USING ERRCODE = 'PC001';
      END $$;

      -- Puts the guard on a state table. mode 'rows': checked at commit, row by row. mode 'statement': for tables
      -- that jobs change in bulk; the audit record must come before the change.
      CREATE FUNCTION guard_state(target regclass, org_column text DEFAULT 'org_id', mode text DEFAULT 'rows')
      RETURNS void LANGUAGE plpgsql SET search_path = portcullis, pg_temp AS $$
      BEGIN
        EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION forbid_truncate()', target);
        IF mode = 'rows' THEN
          EXECUTE format('CREATE CONSTRAINT TRIGGER require_audit AFTER INSERT OR UPDATE OR DELETE ON %s
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_audit(%L)', target, org_column);
        ELSE
          EXECUTE format('CREATE TRIGGER require_audit_i AFTER INSERT ON %s REFERENCING NEW TABLE AS changed
            FOR EACH STATEMENT EXECUTE FUNCTION require_audit_before()', target);
          EXECUTE format('CREATE TRIGGER require_audit_u AFTER UPDATE ON %s REFERENCING NEW TABLE AS changed
            FOR EACH STATEMENT EXECUTE FUNCTION require_audit_before()', target);
          EXECUTE format('CREATE TRIGGER require_audit_d AFTER DELETE ON %s REFERENCING OLD TABLE AS changed
            FOR EACH STATEMENT EXECUTE FUNCTION require_audit_before()', target);
        END IF;
      END $$;
      REVOKE EXECUTE ON FUNCTION guard_state FROM PUBLIC;

      SELECT guard_state('organizations', 'id');
      SELECT guard_state('users', '');
      SELECT guard_state('roles');
      SELECT guard_state('memberships');
    `);
  }

  async down(): Promise<void> {
    throw new Error('the audit log is not taken back: restore a backup instead');
  }
}
