import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The intake of events from Gitea: which hooks there are, what came in by them, and what Gitea said when it was asked.
 * What came in is never truth: it only prompts a reading of Gitea, whose answers stand in gitea_refs.
 */
export class CreateGiteaIntake1763769600045 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE gitea_hooks (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        id uuid PRIMARY KEY,
        name text NOT NULL,
        -- Of the Gitea that is asked; without a slash at the end.
        base_url text NOT NULL,
        -- References, never secrets: of the token we ask with, and of the one or two secrets that sign deliveries.
        token_ref text NOT NULL,
        secret_refs text[] NOT NULL CHECK (cardinality(secret_refs) BETWEEN 1 AND 2),
        -- owner/name in small letters.
        repositories text[] NOT NULL CHECK (cardinality(repositories) BETWEEN 1 AND 100),
        -- Patterns in which * stands for any characters.
        branches text[] NOT NULL,
        tags text[] NOT NULL,
        -- What opens a rollout.
        opens text[] NOT NULL,
        enabled boolean NOT NULL DEFAULT true,
        -- Takes what comes without the id of a hook.
        is_default boolean NOT NULL DEFAULT false,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (org_id, name),
        UNIQUE (org_id, id)
      );
      CREATE UNIQUE INDEX gitea_hooks_default ON gitea_hooks (is_default) WHERE is_default;
      SELECT protect('gitea_hooks');
      SELECT guard_state('gitea_hooks');
      GRANT SELECT, INSERT, DELETE,
            UPDATE (name, base_url, token_ref, secret_refs, repositories, branches, tags, opens, enabled, is_default)
        ON gitea_hooks TO portcullis_app;
      GRANT SELECT, UPDATE (enabled) ON gitea_hooks TO portcullis_system;

      -- One line a delivery that was signed, and one a reading that found what nobody had delivered.
      CREATE TABLE gitea_deliveries (
        org_id uuid NOT NULL,
        id uuid PRIMARY KEY,
        hook_id uuid NOT NULL,
        source text NOT NULL CHECK (source IN ('webhook', 'reconcile')),
        -- What Gitea calls it; not signed.
        delivery uuid,
        event text NOT NULL,
        repository text,
        body_sha256 text,
        -- What is to be read again.
        subjects jsonb NOT NULL DEFAULT '[]',
        verdict text NOT NULL CHECK (verdict IN ('accepted', 'ignored', 'refused')),
        -- Why it was refused, or why Gitea could not be read.
        code text,
        state text NOT NULL CHECK (state IN ('queued', 'done', 'failed')),
        prompted jsonb NOT NULL DEFAULT '[]',
        -- The same body was refused in the same way this often.
        refusals integer NOT NULL DEFAULT 0,
        received_at timestamptz NOT NULL DEFAULT now(),
        done_at timestamptz,
        FOREIGN KEY (org_id, hook_id) REFERENCES gitea_hooks (org_id, id) ON DELETE CASCADE
      );
      -- What makes a delivery a replay; and what keeps refusals to one line a body.
      CREATE UNIQUE INDEX gitea_deliveries_delivery ON gitea_deliveries (hook_id, delivery) WHERE verdict <> 'refused';
      CREATE UNIQUE INDEX gitea_deliveries_body ON gitea_deliveries (hook_id, body_sha256) WHERE verdict <> 'refused';
      CREATE UNIQUE INDEX gitea_deliveries_refused ON gitea_deliveries (hook_id, body_sha256, code)
        WHERE verdict = 'refused';
      CREATE INDEX gitea_deliveries_list ON gitea_deliveries (org_id, hook_id, id);
      SELECT protect('gitea_deliveries');
      GRANT SELECT, INSERT ON gitea_deliveries TO portcullis_app;
      GRANT SELECT, INSERT, UPDATE ON gitea_deliveries TO portcullis_system;

      -- Which repository of Gitea a name stood for when it was first read, and how the last reading of all of it went.
      CREATE TABLE gitea_repositories (
        org_id uuid NOT NULL,
        hook_id uuid NOT NULL,
        name text NOT NULL,
        gitea_id bigint NOT NULL,
        -- From here on what is new has happened since, and opens what it opens.
        baselined_at timestamptz,
        PRIMARY KEY (hook_id, name),
        FOREIGN KEY (org_id, hook_id) REFERENCES gitea_hooks (org_id, id) ON DELETE CASCADE
      );
      SELECT protect('gitea_repositories');
      GRANT SELECT ON gitea_repositories TO portcullis_app;
      GRANT SELECT, INSERT, UPDATE, DELETE ON gitea_repositories TO portcullis_system;

      -- What Gitea said last of each branch, tag, release and pull request, and of the statuses of commits.
      CREATE TABLE gitea_refs (
        org_id uuid NOT NULL,
        hook_id uuid NOT NULL,
        repository text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('branch', 'tag', 'release', 'pull', 'commit')),
        name text NOT NULL,
        commit text NOT NULL,
        -- What else tells one state from the next, by kind.
        state text NOT NULL,
        -- Reviews of a pull request, statuses of a commit: id to what it said, so that each is passed on once.
        facts jsonb NOT NULL DEFAULT '{}',
        -- Two readings at once: the later to end sees that it is not the latest.
        version bigint NOT NULL DEFAULT 1,
        seen_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (hook_id, repository, kind, name),
        FOREIGN KEY (org_id, hook_id) REFERENCES gitea_hooks (org_id, id) ON DELETE CASCADE
      );
      SELECT protect('gitea_refs');
      GRANT SELECT ON gitea_refs TO portcullis_app;
      GRANT SELECT, INSERT, UPDATE, DELETE ON gitea_refs TO portcullis_system;
    `);
  }

  async down(): Promise<void> {
    throw new Error('the intake is not taken back: restore a backup instead');
  }
}
