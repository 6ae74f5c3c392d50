import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Attempt counters, which all replicas share, and known devices.
 *
 * The counters are UNLOGGED: they are written before every verification and mean nothing after their window, so
 * they are worth neither WAL nor a wait for the disk. After a crash of the server, and on a standby that is
 * promoted, they begin at zero: that gives one window's attempts more, never a verification that is not counted.
 */
export class CreateLimitsAndDevices1763769600013 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE UNLOGGED TABLE attempt_counters (
        -- The kind of pool and whom it is for; addresses and networks only as keyed digests.
        pool text PRIMARY KEY,
        -- Attempts that failed or are still being verified.
        attempts integer NOT NULL CHECK (attempts >= 0),
        window_ends timestamptz NOT NULL,
        -- That this window's limit was reached has been told to the person.
        announced boolean NOT NULL DEFAULT false
      ) WITH (fillfactor = 50);
      CREATE INDEX attempt_counters_ended ON attempt_counters (window_ends);
      GRANT SELECT, INSERT, UPDATE, DELETE ON attempt_counters TO portcullis_system;

      -- Takes one point of each pool, in the order given, or refuses. The first kept pools count whatever the
      -- later ones say; of the others a refusal takes nothing. Judged by the database's clock, which all replicas
      -- share. Callers name pools in one order of kinds, so that no two wait for each other crosswise.
      -- refused: the number of the pool that refused, 0 for none. seconds: until its window ends.
      -- ends: the window of each point, for giving it back. last: whether it was the last of its pool.
      CREATE FUNCTION count_attempts(pools text[], limits integer[], windows integer[], kept integer,
                                     OUT refused integer, OUT seconds integer, OUT ends text[], OUT last boolean[])
      LANGUAGE plpgsql SET search_path = portcullis, pg_temp AS $$
      DECLARE moment timestamptz; taken integer; until timestamptz;
      BEGIN
        refused := 0; seconds := 0; ends := '{}'; last := '{}';
        FOR i IN 1 .. cardinality(pools) LOOP
          moment := clock_timestamp();
          INSERT INTO attempt_counters AS c (pool, attempts, window_ends)
          VALUES (pools[i], 1, moment + make_interval(secs => windows[i]))
          ON CONFLICT (pool) DO UPDATE SET
            attempts = CASE WHEN c.window_ends <= moment THEN 1 ELSE c.attempts + 1 END,
            announced = c.announced AND c.window_ends > moment,
            window_ends = CASE WHEN c.window_ends <= moment THEN excluded.window_ends ELSE c.window_ends END
            WHERE c.window_ends <= moment OR c.attempts < limits[i]
          RETURNING c.attempts, c.window_ends INTO taken, until;
          IF NOT FOUND THEN
            refused := i;
            SELECT greatest(1, ceil(extract(epoch FROM c.window_ends - moment)))::integer INTO seconds
              FROM attempt_counters c WHERE c.pool = pools[i];
            seconds := coalesce(seconds, 1);
            PERFORM give_back_attempts(pools[kept + 1 : i - 1], ends[kept + 1 : i - 1]);
            RETURN;
          END IF;
          ends := ends || until::text;
          last := last || (taken >= limits[i]);
        END LOOP;
      END $$;

      -- Gives a point back to each pool, if its window is still the one the point was taken in. No success can
      -- take more than its own point, so what failed stays counted.
      CREATE FUNCTION give_back_attempts(pools text[], windows text[]) RETURNS void
      LANGUAGE plpgsql SET search_path = portcullis, pg_temp AS $$
      BEGIN
        FOR i IN 1 .. cardinality(pools) LOOP
          UPDATE attempt_counters SET attempts = attempts - 1
           WHERE pool = pools[i] AND window_ends = windows[i]::timestamptz AND attempts > 0;
        END LOOP;
      END $$;
      REVOKE EXECUTE ON FUNCTION count_attempts, give_back_attempts FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION count_attempts, give_back_attempts TO portcullis_system;

      -- Devices a person has signed in from. They belong to the person, not to an organization.
      CREATE TABLE devices (
        id uuid PRIMARY KEY,
        user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
        digest text NOT NULL UNIQUE,
        user_agent text,
        -- Keyed digest of user agent and network: what tells a device that lost its token from a new one.
        likeness text NOT NULL,
        first_seen_at timestamptz NOT NULL DEFAULT now(),
        last_seen_at timestamptz NOT NULL DEFAULT now(),
        -- It has shown its token; until then a sign-in that looks the same takes its place.
        proven boolean NOT NULL DEFAULT false,
        expires_at timestamptz NOT NULL
      );
      CREATE INDEX devices_user ON devices (user_id, id);
      CREATE INDEX devices_expired ON devices (expires_at);
      CREATE UNIQUE INDEX devices_unproven ON devices (user_id, likeness) WHERE NOT proven;
      GRANT SELECT, INSERT, UPDATE, DELETE ON devices TO portcullis_system;
      SELECT guard_state('devices', '');
    `);
  }

  async down(): Promise<void> {
    throw new Error('limits and devices are not taken back: restore a backup instead');
  }
}
