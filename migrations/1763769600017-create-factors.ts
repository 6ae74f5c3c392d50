import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Second factors, passkeys and recovery codes of people; and challenges that wait for any step of a proof: of a
 * sign-in, of an enrolment, of a session that is to be proven anew.
 */
export class CreateFactors1763769600017 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE factors (
        id uuid PRIMARY KEY,
        user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
        kind text NOT NULL CHECK (kind IN ('totp', 'passkey')),
        name text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        last_used_at timestamptz,
        -- TOTP (RFC 6238): the secret, wrapped by the master key, and the last step whose code was accepted.
        wrapped_secret text,
        last_step bigint,
        -- Passkeys (WebAuthn level 3, section 4, credential record). Ids are unique over all people.
        credential_id text UNIQUE,
        public_key text,
        sign_count bigint,
        aaguid uuid,
        transports text[],
        device_bound boolean,
        backed_up boolean,
        CHECK (kind <> 'totp' OR (wrapped_secret IS NOT NULL AND last_step IS NOT NULL)),
        CHECK (kind <> 'passkey' OR (credential_id IS NOT NULL AND public_key IS NOT NULL AND sign_count IS NOT NULL
          AND device_bound IS NOT NULL AND backed_up IS NOT NULL))
      );
      CREATE INDEX factors_user ON factors (user_id);
      GRANT SELECT, INSERT, UPDATE, DELETE ON factors TO portcullis_system;
      SELECT guard_state('factors', '');
      -- Whether a person has a factor decides what counts as a fresh proof, so every replica hears of it.
      CREATE CONSTRAINT TRIGGER invalidate AFTER INSERT OR DELETE ON factors
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION invalidate_subject('user', 'user_id');

      CREATE TABLE recovery_codes (
        id uuid PRIMARY KEY,
        user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
        -- HMAC-SHA-256 under a key of the master key.
        digest text NOT NULL UNIQUE,
        created_at timestamptz NOT NULL DEFAULT now(),
        used_at timestamptz
      );
      CREATE INDEX recovery_codes_user ON recovery_codes (user_id);
      GRANT SELECT, INSERT, UPDATE, DELETE ON recovery_codes TO portcullis_system;
      SELECT guard_state('recovery_codes', '');

      ALTER TABLE challenges
        DROP CONSTRAINT challenges_kind_check,
        ADD CONSTRAINT challenges_kind_check
          CHECK (kind IN ('password_change', 'mfa', 'enroll', 'passkey', 'step_up', 'add_factor')),
        -- A passkey tells who signs in only when it answers.
        ALTER COLUMN user_id DROP NOT NULL,
        ALTER COLUMN org_id DROP NOT NULL,
        ADD CONSTRAINT challenges_whose CHECK (kind = 'passkey' OR (user_id IS NOT NULL AND org_id IS NOT NULL)),
        -- The session that asks, of challenges within one.
        ADD COLUMN session_id uuid REFERENCES sessions ON DELETE CASCADE,
        ADD CONSTRAINT challenges_session CHECK ((session_id IS NOT NULL) = (kind IN ('step_up', 'add_factor'))),
        ADD COLUMN attempts integer NOT NULL DEFAULT 0,
        -- What auth_methods were proven by, and when.
        ADD COLUMN password_at timestamptz,
        ADD COLUMN factor_at timestamptz,
        ADD COLUMN factor_id uuid,
        -- The WebAuthn challenge, and what is being enrolled; secrets in it are wrapped by the master key.
        ADD COLUMN data jsonb NOT NULL DEFAULT '{}';
      CREATE INDEX challenges_session_id ON challenges (session_id) WHERE session_id IS NOT NULL;
      CREATE INDEX sessions_factor ON sessions (factor_id) WHERE factor_id IS NOT NULL;
    `);
  }

  async down(): Promise<void> {
    throw new Error('factors are not taken back: restore a backup instead');
  }
}
