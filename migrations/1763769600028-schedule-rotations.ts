import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Secrets that the product itself writes anew: how each is rotated, and every rotation there was. */
export class ScheduleRotations1763769600028 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE secret_rotations (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        -- Of whichever store: not all keep their secrets here.
        secret_id uuid NOT NULL,
        field text NOT NULL,
        length int NOT NULL CHECK (length BETWEEN 16 AND 512),
        alphabet text NOT NULL CHECK (alphabet IN ('alphanumeric', 'hex', 'base64url', 'printable')),
        -- NULL where it is rotated by hand only.
        every_seconds int CHECK (every_seconds BETWEEN 300 AND 315360000),
        overlap_seconds int NOT NULL CHECK (overlap_seconds BETWEEN 0 AND 31536000),
        -- Who is told: { url, hmacKey }, the key as a reference.
        hook jsonb,
        next_at timestamptz,
        PRIMARY KEY (org_id, secret_id),
        CHECK ((every_seconds IS NULL) = (next_at IS NULL)),
        CHECK (every_seconds IS NULL OR overlap_seconds <= every_seconds)
      );
      CREATE INDEX secret_rotations_due ON secret_rotations (next_at);
      SELECT protect('secret_rotations');
      SELECT guard_state('secret_rotations');
      GRANT SELECT, INSERT, UPDATE, DELETE ON secret_rotations TO portcullis_app;
      GRANT SELECT, UPDATE (next_at), DELETE ON secret_rotations TO portcullis_system;

      CREATE TABLE secret_rotation_runs (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        id uuid PRIMARY KEY,
        secret_id uuid NOT NULL,
        -- started: nothing is written; rotated: the next version is, and both are valid; then ended or failed.
        state text NOT NULL DEFAULT 'started' CHECK (state IN ('started', 'rotated', 'ended', 'failed')),
        started_at timestamptz NOT NULL DEFAULT now(),
        -- The version before, which stays valid until retire_at, and the one that was written.
        from_version int,
        to_version int,
        retire_at timestamptz,
        ended_at timestamptz,
        failure text,
        CHECK ((from_version IS NULL) = (to_version IS NULL)),
        CHECK ((ended_at IS NULL) = (state IN ('started', 'rotated')))
      );
      -- One at a time: whoever comes second adds nothing. An overlap may go on while the next one runs.
      CREATE UNIQUE INDEX secret_rotation_runs_running ON secret_rotation_runs (org_id, secret_id)
        WHERE state = 'started' OR state = 'rotated' AND retire_at IS NULL;
      CREATE INDEX secret_rotation_runs_secret ON secret_rotation_runs (org_id, secret_id, id);
      CREATE INDEX secret_rotation_runs_retire ON secret_rotation_runs (retire_at) WHERE state = 'rotated';
      SELECT protect('secret_rotation_runs');
      SELECT guard_state('secret_rotation_runs');
      GRANT SELECT, INSERT (org_id, id, secret_id) ON secret_rotation_runs TO portcullis_app, portcullis_system;
      GRANT UPDATE (state, from_version, to_version, retire_at, ended_at, failure), DELETE
         ON secret_rotation_runs TO portcullis_system;

      -- What a rotation writes, with nobody signed in.
      GRANT UPDATE (current_version, updated_at) ON secrets TO portcullis_system;
      GRANT INSERT, UPDATE (deleted_at) ON secret_versions TO portcullis_system;
      GRANT INSERT ON secret_digests TO portcullis_system;
    `);
  }

  async down(): Promise<void> {
    throw new Error('schedules of rotations would be lost: restore a backup instead');
  }
}
