import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Surfaces, who owns which kind of truth about them, what the owners told, and what followed from it. Facts are only
 * ever added. A verdict is computed when it is read; what stands here of it is its history.
 */
export class CreateProjection1763769600030 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE surfaces (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        id uuid PRIMARY KEY,
        key text NOT NULL CHECK (key ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
        name text NOT NULL,
        description text NOT NULL DEFAULT '',
        -- What is desired. The words are checked where they come in: a newer version may know more of them.
        auth_mode text NOT NULL,
        onboarding_status text NOT NULL,
        session_handoff text NOT NULL,
        admin_posture text NOT NULL,
        require_evidence boolean NOT NULL DEFAULT false,
        -- Grows with every change of what is desired.
        generation integer NOT NULL DEFAULT 1 CHECK (generation > 0),
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (org_id, key),
        UNIQUE (org_id, id)
      );
      SELECT protect('surfaces');
      SELECT guard_state('surfaces');
      GRANT SELECT, INSERT, DELETE,
            UPDATE (name, description, auth_mode, onboarding_status, session_handoff, admin_posture,
                    require_evidence, generation, updated_at)
         ON surfaces TO portcullis_app;
      -- To lock a row takes the right to change it.
      GRANT SELECT, UPDATE (generation) ON surfaces TO portcullis_system;

      -- Who owns a kind of truth. Ended, never deleted: facts name who told them.
      CREATE TABLE fact_authorities (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        id uuid PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN ('rights', 'auth', 'runtime')),
        -- One surface; NULL for every surface that has none of its own.
        surface_id uuid,
        name text NOT NULL,
        -- Whose keys may tell facts. NULL once the account is gone: then nobody may.
        service_account_id uuid,
        created_at timestamptz NOT NULL DEFAULT now(),
        ended_at timestamptz,
        UNIQUE (org_id, id),
        FOREIGN KEY (org_id, surface_id) REFERENCES surfaces (org_id, id) ON DELETE CASCADE,
        FOREIGN KEY (org_id, service_account_id) REFERENCES service_accounts (org_id, id)
          ON DELETE SET NULL (service_account_id)
      );
      CREATE UNIQUE INDEX fact_authorities_owner ON fact_authorities (org_id, kind, surface_id) NULLS NOT DISTINCT
        WHERE ended_at IS NULL;
      CREATE INDEX fact_authorities_org ON fact_authorities (org_id, id);
      CREATE INDEX fact_authorities_surface ON fact_authorities (org_id, surface_id);
      CREATE INDEX fact_authorities_account ON fact_authorities (org_id, service_account_id);
      SELECT protect('fact_authorities');
      SELECT guard_state('fact_authorities');
      GRANT SELECT, INSERT (org_id, id, kind, surface_id, name, service_account_id), UPDATE (ended_at)
         ON fact_authorities TO portcullis_app;
      GRANT SELECT ON fact_authorities TO portcullis_system;

      -- Everything that was ever told. Nobody may change or delete a row; they go with their surface.
      CREATE TABLE surface_facts (
        org_id uuid NOT NULL,
        id uuid PRIMARY KEY,
        surface_id uuid NOT NULL,
        kind text NOT NULL CHECK (kind IN ('rights', 'auth', 'runtime')),
        authority_id uuid NOT NULL,
        revision bigint NOT NULL CHECK (revision > 0),
        -- Of the surface, when the fact came.
        generation integer NOT NULL,
        observed_at timestamptz NOT NULL,
        received_at timestamptz NOT NULL,
        ttl_seconds integer NOT NULL CHECK (ttl_seconds > 0),
        data jsonb NOT NULL,
        evidence jsonb,
        -- Hex SHA-256 of the RFC 8785 form of what was told.
        digest text NOT NULL,
        -- Another content under a revision that had one.
        conflicting boolean NOT NULL DEFAULT false,
        UNIQUE (org_id, id),
        FOREIGN KEY (org_id, surface_id) REFERENCES surfaces (org_id, id) ON DELETE CASCADE,
        FOREIGN KEY (org_id, authority_id) REFERENCES fact_authorities (org_id, id) ON DELETE CASCADE
      );
      CREATE UNIQUE INDEX surface_facts_revision
        ON surface_facts (surface_id, kind, authority_id, revision, conflicting);
      CREATE INDEX surface_facts_newest ON surface_facts (org_id, surface_id, id);
      CREATE INDEX surface_facts_authority ON surface_facts (org_id, authority_id);
      SELECT protect('surface_facts');
      SELECT guard_state('surface_facts');
      GRANT SELECT, INSERT ON surface_facts TO portcullis_app;
      GRANT SELECT ON surface_facts TO portcullis_system;

      -- The newest fact of each kind, so that a verdict is read by keys alone however long the history is.
      CREATE TABLE current_facts (
        org_id uuid NOT NULL,
        surface_id uuid NOT NULL,
        kind text NOT NULL,
        fact_id uuid NOT NULL,
        in_conflict boolean NOT NULL DEFAULT false,
        PRIMARY KEY (surface_id, kind),
        FOREIGN KEY (org_id, surface_id) REFERENCES surfaces (org_id, id) ON DELETE CASCADE,
        FOREIGN KEY (org_id, fact_id) REFERENCES surface_facts (org_id, id) ON DELETE CASCADE
      );
      CREATE INDEX current_facts_org ON current_facts (org_id);
      CREATE INDEX current_facts_fact ON current_facts (org_id, fact_id);
      SELECT protect('current_facts');
      SELECT guard_state('current_facts');
      GRANT SELECT, INSERT, UPDATE (fact_id, in_conflict) ON current_facts TO portcullis_app;
      GRANT SELECT ON current_facts TO portcullis_system;

      -- What was last recorded of a verdict. No key to surfaces: the deployment's own are in no table.
      CREATE TABLE projection_states (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        surface_id uuid PRIMARY KEY,
        snapshot jsonb NOT NULL,
        -- When the next fact expires; NULL where none is fresh.
        expires_at timestamptz,
        -- Grows with every change of what the verdict rests on.
        version bigint NOT NULL DEFAULT 1
      );
      CREATE INDEX projection_states_org ON projection_states (org_id, surface_id);
      CREATE INDEX projection_states_expiry ON projection_states (expires_at);
      SELECT protect('projection_states');
      SELECT guard_state('projection_states');
      GRANT SELECT, INSERT, UPDATE, DELETE ON projection_states TO portcullis_app;
      GRANT SELECT, INSERT, UPDATE ON projection_states TO portcullis_system;

      CREATE TABLE projection_transitions (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        id uuid PRIMARY KEY,
        surface_id uuid NOT NULL,
        at timestamptz NOT NULL,
        cause jsonb NOT NULL,
        -- NULL for the first.
        from_verdict text,
        snapshot jsonb NOT NULL
      );
      CREATE INDEX projection_transitions_surface ON projection_transitions (org_id, surface_id, id);
      CREATE INDEX projection_transitions_at ON projection_transitions (surface_id, at, id);
      SELECT protect('projection_transitions');
      SELECT guard_state('projection_transitions');
      GRANT SELECT, INSERT, DELETE ON projection_transitions TO portcullis_app;
      GRANT SELECT, INSERT ON projection_transitions TO portcullis_system;
    `);
  }

  async down(): Promise<void> {
    throw new Error('facts would be lost: restore a backup instead');
  }
}
