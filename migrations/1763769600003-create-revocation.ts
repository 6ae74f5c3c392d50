import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Revocation: every change of something that authority depends on writes an invalidation, by trigger, whoever
 * makes the change. Replicas read invalidations in order and acknowledge them while they hold a lease; see
 * libs/auth/revocation. And `enter_org()`, the check under the guard: a transaction gets an organization only
 * while the credential behind it is live in the database itself.
 */
export class CreateRevocation1763769600003 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE invalidations (
        pos bigint PRIMARY KEY,
        -- 'session:<id>', 'user:<id>', 'membership:<org>:<user>', 'role:<id>', 'org:<id>', 'api_key:<id>'
        subject text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp()
      );
      GRANT SELECT, DELETE ON invalidations TO portcullis_system;

      -- Processes that cache authority. While lease_until lies ahead, a revocation waits for acked.
      CREATE TABLE replicas (
        id uuid PRIMARY KEY,
        name text NOT NULL,
        started_at timestamptz NOT NULL DEFAULT now(),
        acked bigint NOT NULL,
        lease_until timestamptz NOT NULL
      ) WITH (fillfactor = 50);
      GRANT SELECT, INSERT, UPDATE, DELETE ON replicas TO portcullis_system;

      -- Deferred to the commit, under one lock, so that positions are contiguous and in commit order. The audit
      -- locks come first, as in every transaction, so that no two wait for each other crosswise.
      CREATE FUNCTION invalidate() RETURNS trigger
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = portcullis, pg_temp AS $$
      DECLARE subject text; next_pos bigint;
      BEGIN
        CASE TG_TABLE_NAME
          WHEN 'memberships' THEN subject := 'membership:' || OLD.org_id || ':' || OLD.user_id;
          WHEN 'sessions' THEN subject := 'session:' || OLD.id;
          WHEN 'users' THEN subject := 'user:' || OLD.id;
          WHEN 'roles' THEN subject := 'role:' || OLD.id;
          WHEN 'organizations' THEN subject := 'org:' || OLD.id;
          WHEN 'api_keys' THEN subject := 'api_key:' || OLD.id;
        END CASE;
        PERFORM audit_lock();
        PERFORM pg_advisory_xact_lock(hashtextextended('invalidations', 0));
        SELECT coalesce(max(pos), 0) + 1 INTO next_pos FROM invalidations;
        INSERT INTO invalidations (pos, subject) VALUES (next_pos, subject);
        PERFORM set_config('app.invalidated', next_pos::text, true);
        PERFORM pg_notify('portcullis_invalidations', '');
        RETURN NULL;
      END $$;

      CREATE CONSTRAINT TRIGGER invalidate AFTER UPDATE OR DELETE ON sessions
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION invalidate();
      CREATE CONSTRAINT TRIGGER invalidate AFTER UPDATE OR DELETE ON users
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION invalidate();
      CREATE CONSTRAINT TRIGGER invalidate AFTER UPDATE OR DELETE ON memberships
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION invalidate();
      CREATE CONSTRAINT TRIGGER invalidate AFTER UPDATE OR DELETE ON roles
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION invalidate();
      CREATE CONSTRAINT TRIGGER invalidate AFTER UPDATE OR DELETE ON organizations
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION invalidate();
      CREATE CONSTRAINT TRIGGER invalidate AFTER UPDATE OR DELETE ON api_keys
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION invalidate();

      -- Live now: the session itself, its person, the membership, the organization.
      CREATE FUNCTION session_is_live(session uuid, org uuid) RETURNS boolean
      LANGUAGE sql STABLE SECURITY DEFINER SET search_path = portcullis, pg_temp
      BEGIN ATOMIC
        SELECT EXISTS (
          SELECT FROM sessions s
            JOIN session_activity a ON a.session_id = s.id
            JOIN users u ON u.id = s.user_id
            JOIN memberships m ON m.org_id = s.org_id AND m.user_id = s.user_id
            JOIN organizations o ON o.id = s.org_id
           WHERE s.id = session AND s.org_id = org AND s.revoked_at IS NULL
             AND s.expires_at > clock_timestamp()
             AND a.last_seen_at + make_interval(secs => s.idle_seconds + 60) > clock_timestamp()
             AND u.status = 'active' AND m.status = 'active' AND o.status = 'active');
      END;

      CREATE FUNCTION api_key_is_live(key uuid, org uuid) RETURNS boolean
      LANGUAGE sql STABLE SECURITY DEFINER SET search_path = portcullis, pg_temp
      BEGIN ATOMIC
        SELECT EXISTS (
          SELECT FROM api_keys k
            JOIN users u ON u.id = k.owner_id
            JOIN memberships m ON m.org_id = k.org_id AND m.user_id = k.owner_id
            JOIN organizations o ON o.id = k.org_id
           WHERE k.id = key AND k.org_id = org AND k.revoked_at IS NULL
             AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
             AND u.status = 'active' AND m.status = 'active' AND o.status = 'active');
      END;

      -- Opens the organization's rows to this transaction, or refuses: the second check, which does not know the
      -- guard. Called by Database.inOrg in the same round trip as BEGIN.
      CREATE FUNCTION enter_org(org uuid, credential_kind text, credential uuid) RETURNS void
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = portcullis, pg_temp AS $$
      BEGIN
        IF credential_kind = 'session' AND session_is_live(credential, org)
           OR credential_kind = 'api_key' AND api_key_is_live(credential, org) THEN
          PERFORM set_config('app.org_id', org::text, true);
        ELSE
          RAISE EXCEPTION 'the credential is not live in this organization' USING ERRCODE = 'PC401';
        END IF;
      END $$;
    `);
  }

  async down(): Promise<void> {
    throw new Error('the foundation is not taken back: restore a backup instead');
  }
}
