import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What a sign-in holds and reads in the transaction that may open a session, in one round trip instead of six. Each
 * statement of the function sees what was committed before it began, so what is read after a lock is what whoever
 * held that lock before has left.
 */
export class HoldSignIns1763769600054 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- held: the password is still the one set at password_set, and stays so until the end of the transaction (with
      -- to_change nobody else changes it, either). False where password_set is NULL: nothing was verified then.
      CREATE FUNCTION hold_sign_in(person uuid, org uuid, password_set timestamptz, to_change boolean,
                                   OUT held boolean, OUT settings jsonb, OUT must_change boolean, OUT kinds text[],
                                   OUT has_codes boolean)
      LANGUAGE plpgsql SET search_path = portcullis, pg_temp AS $$
      BEGIN
        -- Before anything else: who ends all sessions of the person locks in this order too.
        PERFORM pg_advisory_xact_lock_shared(hashtextextended('sessions:' || person::text, 0));
        held := false;
        IF password_set IS NOT NULL AND to_change THEN
          PERFORM FROM passwords
            WHERE user_id = person AND date_trunc('milliseconds', changed_at) = password_set FOR NO KEY UPDATE;
          held := FOUND;
        ELSIF password_set IS NOT NULL THEN
          PERFORM FROM passwords
            WHERE user_id = person AND date_trunc('milliseconds', changed_at) = password_set FOR SHARE;
          held := FOUND;
        END IF;
        PERFORM pg_advisory_xact_lock_shared(hashtextextended('policy:' || org::text, 0));
        SELECT (SELECT p.settings FROM org_policies p WHERE p.org_id = org),
               coalesce((SELECT p.must_change FROM passwords p WHERE p.user_id = person), false),
               ARRAY(SELECT f.kind FROM factors f WHERE f.user_id = person),
               EXISTS (SELECT FROM recovery_codes c WHERE c.user_id = person AND c.used_at IS NULL)
          INTO settings, must_change, kinds, has_codes;
      END $$;
      REVOKE EXECUTE ON FUNCTION hold_sign_in FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION hold_sign_in TO portcullis_system;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP FUNCTION hold_sign_in');
  }
}
