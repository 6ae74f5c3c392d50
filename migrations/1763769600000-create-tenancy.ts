import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Organizations, people, roles, memberships; and `protect()`, which every organization table goes through:
 * forced row-level security, so that a forgotten WHERE shows nothing of another organization.
 */
export class CreateTenancy1763769600000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      GRANT USAGE ON SCHEMA portcullis TO portcullis_app, portcullis_system;

      -- The organization of this transaction. Unset means NULL, which no row equals: closed, not open.
      CREATE FUNCTION current_org() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
        RETURN nullif(current_setting('app.org_id', true), '')::uuid;

      -- Row-level security for a table whose rows belong to one organization each.
      -- The owner's policy serves migrations and the definer functions; nobody signs in to the product as owner.
      CREATE FUNCTION protect(target regclass, org_column name DEFAULT 'org_id') RETURNS void
      LANGUAGE plpgsql SET search_path = portcullis, pg_temp AS $$
      BEGIN
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
        EXECUTE format('CREATE POLICY org_rows ON %s TO portcullis_app USING (%I = current_org()) WITH CHECK (%I = current_org())',
                       target, org_column, org_column);
        EXECUTE format('CREATE POLICY system_rows ON %s TO portcullis_system USING (true) WITH CHECK (true)', target);
        EXECUTE format('CREATE POLICY owner_rows ON %s TO portcullis_owner USING (true) WITH CHECK (true)', target);
      END $$;
      REVOKE EXECUTE ON FUNCTION protect FROM PUBLIC;

      CREATE TABLE organizations (
        id uuid PRIMARY KEY,
        slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
        name text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('tenant', 'platform')),
        status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
        created_at timestamptz NOT NULL DEFAULT now(),
        CHECK (kind = 'tenant' OR status = 'active')
      );
      CREATE UNIQUE INDEX one_platform ON organizations (kind) WHERE kind = 'platform';
      SELECT protect('organizations', 'id');
      GRANT SELECT, UPDATE (name), DELETE ON organizations TO portcullis_app;
      GRANT SELECT, INSERT, UPDATE, DELETE ON organizations TO portcullis_system;

      CREATE TABLE users (
        id uuid PRIMARY KEY,
        email text NOT NULL CHECK (email = lower(email)),
        name text NOT NULL,
        status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
        locked_until timestamptz,
        created_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE UNIQUE INDEX users_email ON users (email);

      CREATE TABLE roles (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        id uuid PRIMARY KEY,
        name text NOT NULL,
        description text NOT NULL DEFAULT '',
        -- Built-in roles take their permissions from the catalogue of the running version.
        built_in text CHECK (built_in IN ('owner', 'admin', 'auditor', 'operator', 'viewer')),
        permissions text[] NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (org_id, name),
        UNIQUE (org_id, id)
      );
      SELECT protect('roles');
      GRANT SELECT, INSERT, UPDATE, DELETE ON roles TO portcullis_app, portcullis_system;

      CREATE TABLE memberships (
        org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
        user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
        role_id uuid NOT NULL,
        status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (org_id, user_id),
        FOREIGN KEY (org_id, role_id) REFERENCES roles (org_id, id)
      );
      CREATE INDEX memberships_user ON memberships (user_id);
      CREATE INDEX memberships_role ON memberships (role_id);
      SELECT protect('memberships');
      GRANT SELECT, INSERT, UPDATE, DELETE ON memberships TO portcullis_app, portcullis_system;

      -- A person may belong to several organizations, so users has no org_id: an organization sees its members.
      ALTER TABLE users ENABLE ROW LEVEL SECURITY;
      ALTER TABLE users FORCE ROW LEVEL SECURITY;
      CREATE POLICY org_members ON users FOR SELECT TO portcullis_app
        USING (EXISTS (SELECT FROM memberships m WHERE m.user_id = users.id AND m.org_id = current_org()));
      CREATE POLICY system_rows ON users TO portcullis_system USING (true) WITH CHECK (true);
      CREATE POLICY owner_rows ON users TO portcullis_owner USING (true) WITH CHECK (true);
      GRANT SELECT ON users TO portcullis_app;
      GRANT SELECT, INSERT, UPDATE, DELETE ON users TO portcullis_system;
    `);
  }

  async down(): Promise<void> {
    throw new Error('the foundation is not taken back: restore a backup instead');
  }
}
