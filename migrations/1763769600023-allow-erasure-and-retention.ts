import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What may leave the audit log, and how: a person's values, one by one, become "erased"; the events of a sealed prefix
 * go, and their hashes stay. Two functions do it and nothing else can; a legal hold stops both. And what people search
 * by, made from the log afterwards, so that a write pays nothing for it; and the forks that operators have looked at.
 */
export class AllowErasureAndRetention1763769600023 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- While a row stands here nothing is erased or pruned of the organization's log.
      CREATE TABLE audit_holds (
        org_id uuid PRIMARY KEY,
        reason text NOT NULL,
        placed_by uuid NOT NULL,
        placed_at timestamptz NOT NULL DEFAULT now()
      );
      SELECT protect('audit_holds');
      SELECT guard_state('audit_holds');
      GRANT SELECT, INSERT (org_id, reason, placed_by), UPDATE (reason, placed_by), DELETE
        ON audit_holds TO portcullis_app;
      GRANT SELECT ON audit_holds TO portcullis_system;

      -- How long events are kept; for ever where there is no row.
      CREATE TABLE audit_retention (
        org_id uuid PRIMARY KEY,
        retention_days integer NOT NULL CHECK (retention_days BETWEEN 30 AND 3650)
      );
      SELECT protect('audit_retention');
      SELECT guard_state('audit_retention');
      GRANT SELECT, INSERT, UPDATE (retention_days), DELETE ON audit_retention TO portcullis_app;
      GRANT SELECT ON audit_retention TO portcullis_system;

      -- What was pruned: the events of the positions up to here are gone, by the record of this id.
      CREATE TABLE audit_prunings (
        org_id uuid NOT NULL,
        up_to bigint NOT NULL CHECK (up_to > 0),
        record_id uuid NOT NULL,
        retention_days integer NOT NULL,
        pruned_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (org_id, up_to)
      );
      SELECT protect('audit_prunings');
      SELECT guard_state('audit_prunings');
      GRANT SELECT ON audit_prunings TO portcullis_app, portcullis_system;
      CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_prunings
        FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();

      -- Erasures that were asked for, and how far they are. No personal data.
      CREATE TABLE audit_erasures (
        org_id uuid NOT NULL,
        id uuid NOT NULL,
        user_id uuid NOT NULL,
        requested_by uuid NOT NULL,
        requested_at timestamptz NOT NULL DEFAULT now(),
        state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'completed', 'stopped')),
        -- The size of the log when it was asked for, and up to where values were erased.
        up_to bigint NOT NULL,
        done_up_to bigint NOT NULL DEFAULT 0,
        events bigint NOT NULL DEFAULT 0,
        fields bigint NOT NULL DEFAULT 0,
        ended_at timestamptz,
        PRIMARY KEY (org_id, id)
      );
      SELECT protect('audit_erasures');
      SELECT guard_state('audit_erasures');
      GRANT SELECT, INSERT (org_id, id, user_id, requested_by, up_to) ON audit_erasures TO portcullis_app;
      GRANT SELECT, UPDATE (state, done_up_to, events, fields, ended_at) ON audit_erasures TO portcullis_system;

      -- Whether a statement on audit_events is one of the two functions'. The stack names functions of this schema
      -- without it and all others with theirs, so no other can bear the name.
      CREATE FUNCTION audit_events_only_shrink() RETURNS trigger
      LANGUAGE plpgsql SET search_path = portcullis, pg_temp AS $$
      DECLARE stack text;
      BEGIN
        GET DIAGNOSTICS stack = PG_CONTEXT;
        IF TG_OP = 'UPDATE' AND position('function audit_erase(' IN stack) > 0
           OR TG_OP = 'DELETE' AND position('function audit_prune(' IN stack) > 0 THEN
          RETURN NULL;
        END IF;
        RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'PC002';
      END $$;
      DROP TRIGGER append_only ON audit_events;
      CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
        FOR EACH STATEMENT EXECUTE FUNCTION audit_events_only_shrink();

      -- Whoever updates: only personal, each value kept or "erased", none added and none left out.
      CREATE FUNCTION audit_erase_only() RETURNS trigger
      LANGUAGE plpgsql SET search_path = portcullis, pg_temp AS $$
      BEGIN
        IF to_jsonb(NEW) - 'personal' IS DISTINCT FROM to_jsonb(OLD) - 'personal' OR EXISTS (
             SELECT FROM json_each(OLD.personal::json) was FULL JOIN json_each(NEW.personal::json) "is" USING (key)
              WHERE was.value IS NULL OR "is".value IS NULL
                 OR "is".value::text <> was.value::text AND "is".value::text <> '"erased"') THEN
          RAISE EXCEPTION 'of an audit event only personal values may change, to "erased"' USING ERRCODE = 'PC002';
        END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER erase_only BEFORE UPDATE ON audit_events FOR EACH ROW EXECUTE FUNCTION audit_erase_only();

      CREATE FUNCTION audit_erasure_recorded() RETURNS trigger
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = portcullis, pg_temp SET enable_seqscan = off AS $$
      BEGIN
        IF NOT EXISTS (SELECT FROM audit_events WHERE xid = pg_current_xact_id() AND tx_time = now()
                          AND org_id = NEW.org_id AND action = 'audit.erased') THEN
          RAISE EXCEPTION 'an erasure has no record in its transaction' USING ERRCODE = 'PC001';
        END IF;
        RETURN NULL;
      END $$;
      CREATE CONSTRAINT TRIGGER erasure_recorded AFTER UPDATE ON audit_events
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_erasure_recorded();

      -- Shared by what destroys, alone for who places a hold: once that answers, nothing more is destroyed.
      CREATE FUNCTION audit_require_no_hold(org uuid) RETURNS void
      LANGUAGE plpgsql SET search_path = portcullis, pg_temp AS $$
      BEGIN
        PERFORM pg_advisory_xact_lock_shared(hashtextextended('audit-hold:' || org, 0));
        IF EXISTS (SELECT FROM audit_holds WHERE org_id = org) THEN
          RAISE EXCEPTION 'the audit log is on legal hold' USING ERRCODE = 'PC006';
        END IF;
      END $$;
      CREATE FUNCTION audit_lock_hold(org uuid) RETURNS void
      LANGUAGE sql SET search_path = portcullis, pg_temp AS $$
        SELECT pg_advisory_xact_lock(hashtextextended('audit-hold:' || org, 0))
      $$;
      GRANT EXECUTE ON FUNCTION audit_lock_hold TO portcullis_app;

      -- Destroys salt and value of what is personal of one person in the positions after + 1 to up_to: their name as
      -- actor, the address and agent of their requests (of those of their keys too, and of attempts at their account
      -- by nobody who could be told), whatever is said of them as a target; and every field whose whole value is one
      -- of the addresses.
      CREATE FUNCTION audit_erase(org uuid, person uuid, addresses text[], after bigint, up_to bigint)
      RETURNS TABLE (events bigint, fields bigint)
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = portcullis, pg_temp SET enable_seqscan = off AS $$
      BEGIN
        PERFORM audit_require_no_hold(org);
        RETURN QUERY
        WITH found AS MATERIALIZED (
          SELECT e.id, e.personal, e.actor_type,
                 e.actor_type = 'user' AND e.actor_id = person::text AS acts,
                 e.leaf::jsonb #>> '{actor,onBehalfOf}' = person::text AS stands_behind,
                 e.target_type = 'user' AND e.target_id = person::text
                   OR e.leaf::jsonb #>> '{changes,user,to}' = person::text AS is_meant
            FROM audit_positions p JOIN audit_events e ON e.org_id = p.org_id AND e.id = p.event_id
           WHERE p.org_id = org AND p.pos > after AND p.pos <= up_to AND e.personal <> '{}'),
        parts AS MATERIALIZED (
          SELECT f.id, one.key, one.value, one.place,
                 one.value::text <> '"erased"' AND coalesce(
                   one.key = 'actor.display' AND f.acts
                   OR one.key LIKE 'request.%' AND (f.acts OR f.stands_behind OR f.is_meant AND f.actor_type = 'anonymous')
                   OR (one.key = 'target.display' OR one.key LIKE 'changes.%') AND f.is_meant
                   OR lower(one.value ->> 'value') = ANY (addresses), false) AS hit
            FROM found f, json_each(f.personal::json) WITH ORDINALITY AS one (key, value, place)),
        changed AS (
          UPDATE audit_events e SET personal = erased.personal
            FROM (SELECT id, '{' || string_agg(to_json(key) || ':' || CASE WHEN hit THEN '"erased"' ELSE value::text END,
                                               ',' ORDER BY place) || '}' AS personal
                    FROM parts GROUP BY id HAVING bool_or(hit)) erased
           WHERE e.org_id = org AND e.id = erased.id RETURNING 1)
        SELECT (SELECT count(*) FROM changed), (SELECT count(*) FROM parts WHERE hit);
      END $$;
      GRANT EXECUTE ON FUNCTION audit_erase TO portcullis_system;

      -- What was erased must go from the files too: the next round of autovacuum takes it, however little it was.
      ALTER TABLE audit_events SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 0);

      -- Drops the events of the positions up to up_to. Only what a checkpoint covers that was signed so long ago as the
      -- organization keeps events, so that all of it is older; and only with its record, which the row here names.
      CREATE FUNCTION audit_prune(org uuid, up_to bigint) RETURNS bigint
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = portcullis, pg_temp AS $$
      DECLARE days integer; done bigint; record uuid; gone bigint; upper bigint := up_to;
      BEGIN
        PERFORM audit_require_no_hold(org);
        SELECT r.retention_days INTO days FROM audit_retention r WHERE r.org_id = org;
        SELECT coalesce(max(p.up_to), 0) INTO done FROM audit_prunings p WHERE p.org_id = org;
        IF days IS NULL OR upper <= done OR NOT EXISTS (
             SELECT FROM audit_checkpoints c WHERE c.org_id = org AND c.size >= upper
                AND c.issued_at <= now() - make_interval(days => days)
                -- What was signed before a fork may speak of events that are not these.
                AND c.issued_at > coalesce((SELECT max(f.acknowledged_at) FROM audit_forks f WHERE f.org_id = org), '-infinity')) THEN
          RAISE EXCEPTION 'no policy and checkpoint let these events go' USING ERRCODE = 'PC002';
        END IF;
        SELECT e.id INTO record FROM audit_events e
         WHERE e.xid = pg_current_xact_id() AND e.tx_time = now() AND e.org_id = org AND e.action = 'audit.pruned'
           AND e.leaf::jsonb #>> '{changes,upTo,to}' = upper::text;
        IF record IS NULL THEN
          RAISE EXCEPTION 'a pruning has no record before it' USING ERRCODE = 'PC001';
        END IF;
        INSERT INTO audit_prunings (org_id, up_to, record_id, retention_days) VALUES (org, upper, record, days);
        DELETE FROM audit_events e USING audit_positions p
         WHERE p.org_id = org AND p.pos > done AND p.pos <= upper AND e.org_id = org AND e.id = p.event_id;
        GET DIAGNOSTICS gone = ROW_COUNT;
        DELETE FROM audit_search s WHERE s.org_id = org AND s.pos <= upper;
        RETURN gone;
      END $$;
      GRANT EXECUTE ON FUNCTION audit_prune TO portcullis_system;
      -- When a prefix was last signed long enough ago.
      CREATE INDEX audit_checkpoints_issued ON audit_checkpoints (org_id, issued_at);

      -- What a log is searched by, made from it afterwards and only where somebody searches. 64 bits of SHA-256 for
      -- each text: what is found is compared with the event itself. Wrong rows here hide or find nothing that is false.
      CREATE TABLE audit_search (
        org_id uuid NOT NULL,
        pos bigint NOT NULL,
        time timestamptz NOT NULL,
        actor bigint NOT NULL,
        action bigint NOT NULL,
        target bigint NOT NULL,
        request bigint NOT NULL,
        outcome "char" NOT NULL,
        PRIMARY KEY (org_id, pos)
      );
      SELECT protect('audit_search');
      GRANT SELECT ON audit_search TO portcullis_app, portcullis_system;
      GRANT INSERT ON audit_search TO portcullis_system;
      CREATE INDEX audit_search_actor ON audit_search (org_id, actor, pos);
      CREATE INDEX audit_search_action ON audit_search (org_id, action, pos);
      CREATE INDEX audit_search_target ON audit_search (org_id, target, pos);
      CREATE INDEX audit_search_request ON audit_search (org_id, request);
      CREATE INDEX audit_search_time ON audit_search (org_id, time, pos);
      -- Most of what happens succeeds: that is no filter.
      CREATE INDEX audit_search_outcome ON audit_search (org_id, outcome, pos) WHERE outcome <> 's';

      CREATE FUNCTION audit_term(term text) RETURNS bigint
      LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT ('x' || encode(substring(sha256(convert_to(term, 'UTF8')) FROM 1 FOR 8), 'hex'))::bit(64)::bigint
      $$;
      GRANT EXECUTE ON FUNCTION audit_term TO portcullis_app, portcullis_system;

      -- Where a log did not continue what was published of it: found, signed, and acknowledged by an operator or not.
      CREATE TABLE audit_forks (
        org_id uuid NOT NULL,
        id uuid NOT NULL,
        old_size bigint NOT NULL,
        old_root bytea NOT NULL CHECK (octet_length(old_root) = 32),
        new_size bigint NOT NULL,
        new_root bytea NOT NULL CHECK (octet_length(new_root) = 32),
        -- Both heads, as a signed note.
        note text NOT NULL,
        found_at timestamptz NOT NULL DEFAULT now(),
        acknowledged_at timestamptz,
        acknowledged_by uuid,
        reason text,
        PRIMARY KEY (org_id, id),
        CHECK ((acknowledged_at IS NULL) = (reason IS NULL))
      );
      -- What was given up at a fork may have had the same size.
      ALTER TABLE audit_checkpoints DROP CONSTRAINT audit_checkpoints_pkey,
        ADD PRIMARY KEY (org_id, size, issued_at);
      CREATE INDEX audit_forks_open ON audit_forks (org_id) WHERE acknowledged_at IS NULL;
      SELECT protect('audit_forks');
      SELECT guard_state('audit_forks');
      GRANT SELECT ON audit_forks TO portcullis_app, portcullis_system;
      GRANT INSERT (org_id, id, old_size, old_root, new_size, new_root, note),
            UPDATE (acknowledged_at, acknowledged_by, reason) ON audit_forks TO portcullis_system;
    `);
  }

  async down(): Promise<void> {
    throw new Error('the audit log is not taken back: restore a backup instead');
  }
}
