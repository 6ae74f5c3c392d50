import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Rollouts of a commit: what Gitea is bound to them, templates that open them, and what Gitea says as evidence. */
export class BindRolloutsToSources1763769600047 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- A stored plan that a hook of Gitea opens rollouts by.
      CREATE TABLE rollout_templates (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        id uuid PRIMARY KEY,
        name text NOT NULL,
        gitea_hook_id uuid NOT NULL,
        -- owner/name in small letters.
        repository text NOT NULL,
        -- A pattern in which * stands for any characters: refs/heads/main, refs/tags/v*, refs/pull/*/head.
        ref text NOT NULL,
        policy_id uuid NOT NULL,
        -- As a person would send it; planned anew for each commit.
        plan jsonb NOT NULL,
        -- Whether the plan is sealed as well where it can be, or stays for a person to seal.
        seals boolean NOT NULL,
        -- Who wrote it: an author of what it opens, beside the creator of the hook.
        created_by uuid NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (org_id, name),
        UNIQUE (org_id, id),
        FOREIGN KEY (org_id, gitea_hook_id) REFERENCES gitea_hooks (org_id, id) ON DELETE CASCADE,
        FOREIGN KEY (org_id, policy_id) REFERENCES rollout_policies (org_id, id)
      );
      CREATE INDEX rollout_templates_list ON rollout_templates (org_id, id);
      CREATE INDEX rollout_templates_hook ON rollout_templates (gitea_hook_id, repository);
      SELECT protect('rollout_templates');
      SELECT guard_state('rollout_templates');
      GRANT SELECT, INSERT, DELETE ON rollout_templates TO portcullis_app;
      GRANT SELECT ON rollout_templates TO portcullis_system;

      ALTER TABLE rollouts
        -- Who wrote the plan as it is: an author of it too.
        ADD COLUMN planner_id uuid,
        ADD COLUMN template_id uuid,
        -- The commit it is of, and where that stood.
        ADD COLUMN source_hook_id uuid,
        ADD COLUMN source_repository text,
        ADD COLUMN source_ref text,
        ADD COLUMN source_commit text,
        -- When Gitea said that the commit stands there no longer.
        ADD COLUMN source_gone_at timestamptz;
      CREATE INDEX rollouts_source ON rollouts (org_id, source_repository, source_ref)
        WHERE source_repository IS NOT NULL;
      -- One rollout a template and commit, unless it ended before it began.
      CREATE UNIQUE INDEX rollouts_opened ON rollouts (template_id, source_ref, source_commit)
        WHERE template_id IS NOT NULL AND (state <> 'superseded' OR begun_at IS NOT NULL);
      GRANT UPDATE (planner_id, source_hook_id, source_repository, source_ref, source_commit)
        ON rollouts TO portcullis_app;
      GRANT INSERT, UPDATE (planner_id, plan, digest, recovery_digest, source_hook_id, source_repository, source_ref,
        source_commit, source_gone_at) ON rollouts TO portcullis_system;

      ALTER TABLE evidence
        ALTER COLUMN producer_id DROP NOT NULL,
        ADD COLUMN producer text NOT NULL DEFAULT 'person' CHECK (producer IN ('person', 'gitea')),
        -- Which review, status or run it tells of: the newest of each counts.
        ADD COLUMN fact text,
        ADD CHECK ((producer = 'person') = (producer_id IS NOT NULL)),
        ADD CHECK ((producer = 'gitea') = (fact IS NOT NULL));
      -- What people record is never Gitea's word.
      REVOKE INSERT ON evidence FROM portcullis_app;
      GRANT INSERT (org_id, id, predicate_type, subjects, result, producer_id, key_id, envelope, digest, observed_at,
        expires_at) ON evidence TO portcullis_app;
      GRANT INSERT ON evidence, evidence_keys TO portcullis_system;

      -- What the posture of the deployment asks for.
      CREATE INDEX rollouts_running ON rollouts (state) WHERE state IN ('executing', 'rolling_back');
      CREATE INDEX rollout_break_glass_due ON rollout_break_glass (review_due_at) WHERE reviewed_at IS NULL;
      CREATE INDEX gitea_deliveries_failed ON gitea_deliveries (hook_id, received_at)
        WHERE state = 'failed' AND verdict = 'accepted';

      -- When everything of it was compared last.
      ALTER TABLE gitea_repositories ADD COLUMN read_at timestamptz;
    `);
  }

  async down(): Promise<void> {
    throw new Error('rollouts are not taken back: restore a backup instead');
  }
}
