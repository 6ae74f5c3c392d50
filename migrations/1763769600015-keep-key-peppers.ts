import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Peppers of API keys that rotate, when and from where a key was last used, and which key made a key. */
export class KeepKeyPeppers1763769600015 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- The first row is the pepper that is derived from the master key, which keys made before this have.
      CREATE TABLE key_peppers (
        id uuid PRIMARY KEY,
        -- Wrapped by the master key; NULL where it is derived, and where it was erased.
        wrapped_pepper text,
        created_at timestamptz NOT NULL DEFAULT now(),
        retired_at timestamptz,
        CHECK (retired_at IS NULL OR wrapped_pepper IS NULL)
      );
      INSERT INTO key_peppers (id) VALUES ('00000000-0000-7000-8000-000000000000');
      GRANT SELECT, INSERT, UPDATE ON key_peppers TO portcullis_system;
      SELECT guard_state('key_peppers', '');

      ALTER TABLE api_keys
        ADD pepper_id uuid NOT NULL DEFAULT '00000000-0000-7000-8000-000000000000' REFERENCES key_peppers,
        -- The pepper of previous_digest; says nothing where there is none.
        ADD previous_pepper_id uuid NOT NULL DEFAULT '00000000-0000-7000-8000-000000000000' REFERENCES key_peppers,
        -- The key that made this one or rotated it last: this ends with it. No foreign key: its row may go first.
        ADD made_by_key_id uuid;
      CREATE INDEX api_keys_pepper ON api_keys (pepper_id) WHERE revoked_at IS NULL;
      CREATE INDEX api_keys_made_by_key ON api_keys (made_by_key_id) WHERE made_by_key_id IS NOT NULL;
      CREATE INDEX api_keys_service_account ON api_keys (service_account_id) WHERE service_account_id IS NOT NULL;
      CREATE INDEX service_accounts_owner ON service_accounts (org_id, owner_id);

      -- A retired pepper is erased: a key that came under it would be lost. The lock waits for who retires it.
      CREATE FUNCTION require_live_pepper() RETURNS trigger
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = portcullis, pg_temp AS $$
      BEGIN
        PERFORM FROM key_peppers WHERE id = NEW.pepper_id AND retired_at IS NULL FOR KEY SHARE;
        IF NOT FOUND THEN
          RAISE EXCEPTION 'the pepper has been retired meanwhile' USING ERRCODE = '40001';
        END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER require_live_pepper BEFORE INSERT OR UPDATE OF pepper_id ON api_keys
        FOR EACH ROW EXECUTE FUNCTION require_live_pepper();

      -- When a key was last used: written often and coalesced, says nothing of rights, so it is not state.
      CREATE TABLE api_key_activity (
        org_id uuid NOT NULL,
        api_key_id uuid PRIMARY KEY REFERENCES api_keys ON DELETE CASCADE,
        last_used_at timestamptz NOT NULL,
        last_used_ip text
      ) WITH (fillfactor = 70);
      SELECT protect('api_key_activity');
      GRANT SELECT ON api_key_activity TO portcullis_app;
      GRANT SELECT, INSERT, UPDATE, DELETE ON api_key_activity TO portcullis_system;

      CREATE CONSTRAINT TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON key_peppers
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION invalidate_subject('key_peppers');
    `);
  }

  async down(): Promise<void> {
    throw new Error('keys under other peppers would be lost: restore a backup instead');
  }
}
