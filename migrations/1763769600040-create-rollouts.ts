import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Rollouts: what they are of, how they stand, who signed what, and the journal of what was done. */
export class CreateRollouts1763769600040 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE rollout_policies (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        id uuid PRIMARY KEY,
        name text NOT NULL,
        rules jsonb NOT NULL,
        version int NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (org_id, name),
        UNIQUE (org_id, id)
      );
      SELECT protect('rollout_policies');
      SELECT guard_state('rollout_policies');
      GRANT SELECT, INSERT, UPDATE (name, rules, version, updated_at) ON rollout_policies TO portcullis_app;
      GRANT SELECT ON rollout_policies TO portcullis_system;

      CREATE TABLE rollout_targets (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        id uuid PRIMARY KEY,
        name text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('surface', 'host')),
        -- The projected surface whose verdict a posture gate asks for.
        surface_id uuid,
        environment text NOT NULL,
        -- What the inventory saw last: a digest, when, and for how long that holds.
        state text,
        observed_at timestamptz,
        ttl_seconds int,
        reported_by text,
        -- The digest of the rollout whose version it holds; NULL before the first, or while it is between two.
        version text,
        -- Grows with every lock: whoever acts on the target says which lock it acts under.
        fence bigint NOT NULL DEFAULT 0,
        -- The rollout that holds it.
        locked_by uuid,
        created_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (org_id, name),
        UNIQUE (org_id, id)
      );
      CREATE INDEX rollout_targets_lock ON rollout_targets (locked_by) WHERE locked_by IS NOT NULL;
      SELECT protect('rollout_targets');
      SELECT guard_state('rollout_targets');
      GRANT SELECT, INSERT, UPDATE (state, observed_at, ttl_seconds, reported_by, version, fence, locked_by)
        ON rollout_targets TO portcullis_app;
      GRANT SELECT, UPDATE (version, fence, locked_by) ON rollout_targets TO portcullis_system;

      CREATE TABLE rollouts (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        id uuid PRIMARY KEY,
        title text NOT NULL,
        description text NOT NULL DEFAULT '',
        state text NOT NULL DEFAULT 'draft' CHECK (state IN (
          'draft', 'planned', 'in_review', 'approved', 'armed', 'executing', 'verifying', 'completed', 'rejected',
          'withdrawn', 'expired', 'superseded', 'suspended', 'rolling_back', 'rolled_back', 'failed_needs_operator')),
        -- Why it is suspended, failed or ended.
        reason text,
        author_id uuid NOT NULL,
        policy_id uuid NOT NULL,
        -- Everything it will do; its digest is what people sign.
        plan jsonb,
        digest text,
        recovery_digest text,
        -- The digest a person confirmed in words, for irreversible steps.
        confirmed_digest text,
        executor_id uuid,
        verifier_id uuid,
        begun_at timestamptz,
        completed_at timestamptz,
        -- A review or an approval ends then by itself.
        expires_at timestamptz,
        supersedes uuid,
        -- The job that may go on with it; any other is of the past.
        job_id uuid,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (org_id, id),
        FOREIGN KEY (org_id, policy_id) REFERENCES rollout_policies (org_id, id)
      );
      CREATE INDEX rollouts_list ON rollouts (org_id, id);
      CREATE INDEX rollouts_state ON rollouts (org_id, state, id);
      CREATE INDEX rollouts_expiry ON rollouts (expires_at) WHERE state IN ('in_review', 'approved', 'armed');
      SELECT protect('rollouts');
      SELECT guard_state('rollouts');
      GRANT SELECT, INSERT, UPDATE (state, reason, plan, digest, recovery_digest, confirmed_digest, executor_id,
        verifier_id, begun_at, completed_at, expires_at, job_id, updated_at) ON rollouts TO portcullis_app;
      GRANT SELECT, UPDATE (state, reason, completed_at, expires_at, job_id, updated_at) ON rollouts TO portcullis_system;

      CREATE TABLE rollout_moves (
        org_id uuid NOT NULL,
        id uuid PRIMARY KEY,
        rollout_id uuid NOT NULL,
        move text NOT NULL,
        from_state text NOT NULL,
        to_state text NOT NULL,
        reason text,
        digest text,
        actor_type text NOT NULL,
        actor_id text NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        FOREIGN KEY (org_id, rollout_id) REFERENCES rollouts (org_id, id) ON DELETE CASCADE
      );
      CREATE INDEX rollout_moves_list ON rollout_moves (rollout_id, id);
      SELECT protect('rollout_moves');
      SELECT guard_state('rollout_moves');
      GRANT SELECT, INSERT ON rollout_moves TO portcullis_app, portcullis_system;

      CREATE TABLE rollout_sign_offs (
        org_id uuid NOT NULL,
        id uuid PRIMARY KEY,
        rollout_id uuid NOT NULL,
        -- What is signed: the change itself, its rollback, an exception from a freeze.
        purpose text NOT NULL CHECK (purpose IN ('change', 'rollback', 'freeze')),
        digest text NOT NULL,
        decision text NOT NULL CHECK (decision IN ('approve', 'deny')),
        user_id uuid NOT NULL,
        session_id uuid NOT NULL,
        comment text NOT NULL DEFAULT '',
        at timestamptz NOT NULL,
        UNIQUE (rollout_id, purpose, digest, user_id),
        FOREIGN KEY (org_id, rollout_id) REFERENCES rollouts (org_id, id) ON DELETE CASCADE
      );
      CREATE INDEX rollout_sign_offs_list ON rollout_sign_offs (rollout_id, id);
      SELECT protect('rollout_sign_offs');
      SELECT guard_state('rollout_sign_offs');
      GRANT SELECT, INSERT, UPDATE (decision, session_id, comment, at) ON rollout_sign_offs TO portcullis_app;
      GRANT SELECT ON rollout_sign_offs TO portcullis_system;

      -- Two accounts of one human, as an administrator said.
      CREATE TABLE rollout_persons (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        user_id uuid NOT NULL,
        same_as uuid NOT NULL CHECK (same_as <> user_id),
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (org_id, user_id, same_as)
      );
      SELECT protect('rollout_persons');
      SELECT guard_state('rollout_persons');
      GRANT SELECT, INSERT, DELETE ON rollout_persons TO portcullis_app;
      GRANT SELECT ON rollout_persons TO portcullis_system;

      -- What was done and how it ended. The intent is written before anything happens, the outcome after it.
      CREATE TABLE rollout_steps (
        org_id uuid NOT NULL,
        rollout_id uuid NOT NULL,
        phase text NOT NULL CHECK (phase IN ('apply', 'recovery')),
        unit int NOT NULL,
        wave int NOT NULL,
        target_id uuid,
        name text NOT NULL,
        command text NOT NULL,
        state text NOT NULL CHECK (state IN ('intended', 'succeeded', 'failed', 'unknown')),
        -- The same for every repetition, so that what is idempotent can tell.
        key text NOT NULL,
        -- Of the one run whose outcome counts.
        run_token uuid NOT NULL,
        runs int NOT NULL DEFAULT 1,
        failures int NOT NULL DEFAULT 0,
        -- What the operator has to find out, where nobody knows whether it happened.
        question text,
        code text,
        detail text,
        intended_at timestamptz NOT NULL,
        ended_at timestamptz,
        PRIMARY KEY (rollout_id, phase, unit),
        FOREIGN KEY (org_id, rollout_id) REFERENCES rollouts (org_id, id) ON DELETE CASCADE
      );
      SELECT protect('rollout_steps');
      SELECT guard_state('rollout_steps');
      GRANT SELECT, UPDATE (state, question, code, ended_at, run_token, runs, failures) ON rollout_steps TO portcullis_app;
      GRANT SELECT, INSERT, UPDATE (state, run_token, runs, failures, question, code, detail, intended_at, ended_at)
        ON rollout_steps TO portcullis_system;

      CREATE TABLE rollout_hooks (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        id uuid PRIMARY KEY,
        name text NOT NULL,
        wrapped_secret text NOT NULL,
        revoked_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (org_id, id)
      );
      CREATE INDEX rollout_hooks_list ON rollout_hooks (org_id, id);
      SELECT protect('rollout_hooks');
      -- The record of a rotation of the master key stands in the platform's log.
      SELECT guard_state('rollout_hooks', '');
      GRANT SELECT (org_id, id, name, revoked_at, created_at), INSERT, UPDATE (revoked_at) ON rollout_hooks TO portcullis_app;
      GRANT SELECT, UPDATE (wrapped_secret) ON rollout_hooks TO portcullis_system;

      CREATE TABLE rollout_gate_results (
        org_id uuid NOT NULL,
        id uuid PRIMARY KEY,
        rollout_id uuid NOT NULL,
        gate text NOT NULL,
        digest text NOT NULL,
        verdict text NOT NULL CHECK (verdict IN ('pass', 'fail', 'inconclusive')),
        source text NOT NULL CHECK (source IN ('check', 'external', 'manual')),
        recorded_by text NOT NULL,
        detail text,
        hook_id uuid,
        nonce text,
        observed_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        -- A call-back counts once.
        UNIQUE (hook_id, nonce),
        FOREIGN KEY (org_id, rollout_id) REFERENCES rollouts (org_id, id) ON DELETE CASCADE
      );
      CREATE INDEX rollout_gate_results_list ON rollout_gate_results (rollout_id, gate, id DESC);
      SELECT protect('rollout_gate_results');
      SELECT guard_state('rollout_gate_results');
      GRANT SELECT, INSERT ON rollout_gate_results TO portcullis_app, portcullis_system;

      CREATE TABLE rollout_break_glass (
        org_id uuid NOT NULL,
        id uuid PRIMARY KEY,
        rollout_id uuid NOT NULL,
        digest text NOT NULL,
        opened_by uuid NOT NULL,
        justification text NOT NULL,
        incident text NOT NULL,
        -- Whether any gate was closed: it is on record also where it would have passed.
        needed boolean NOT NULL,
        opened_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL,
        review_due_at timestamptz NOT NULL,
        reviewed_at timestamptz,
        reviewed_by uuid,
        review text,
        FOREIGN KEY (org_id, rollout_id) REFERENCES rollouts (org_id, id) ON DELETE CASCADE
      );
      CREATE INDEX rollout_break_glass_list ON rollout_break_glass (org_id, id);
      CREATE INDEX rollout_break_glass_rollout ON rollout_break_glass (rollout_id);
      SELECT protect('rollout_break_glass');
      SELECT guard_state('rollout_break_glass');
      GRANT SELECT, INSERT, UPDATE (reviewed_at, reviewed_by, review) ON rollout_break_glass TO portcullis_app;
      GRANT SELECT ON rollout_break_glass TO portcullis_system;
    `);
  }

  async down(): Promise<void> {
    throw new Error('rollouts are not taken back: restore a backup instead');
  }
}
