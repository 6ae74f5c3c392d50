import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The Merkle tree of each log, kept: its full tiles, the checkpoints that were signed of it, the keys that sign them,
 * and whatever was found not to be as it was written. Tiles follow from positions, so they are made afterwards, by
 * whoever needs them first; a write pays nothing for them.
 */
export class KeepAuditTiles1763769600020 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- c2sp.org/tlog-tiles, height 8, full tiles only: 256 hashes, all nodes above them, and the root.
      -- With the nodes a proof is read, 32 bytes here and there, and not computed.
      CREATE TABLE audit_tiles (
        org_id uuid NOT NULL,
        level smallint NOT NULL CHECK (level >= 0),
        index bigint NOT NULL CHECK (index >= 0),
        root bytea NOT NULL CHECK (octet_length(root) = 32),
        nodes bytea NOT NULL CHECK (octet_length(nodes) = 16320),
        PRIMARY KEY (org_id, level, index)
      );
      -- Hashes do not compress; and what is not compressed can be read in parts.
      ALTER TABLE audit_tiles ALTER COLUMN nodes SET STORAGE EXTERNAL;
      SELECT protect('audit_tiles');
      GRANT SELECT ON audit_tiles TO portcullis_app, portcullis_system;
      GRANT INSERT ON audit_tiles TO portcullis_system;
      CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_tiles
        FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();

      -- What was signed: never smaller than before, never two roots of one size.
      CREATE TABLE audit_checkpoints (
        org_id uuid NOT NULL,
        size bigint NOT NULL CHECK (size >= 0),
        root bytea NOT NULL CHECK (octet_length(root) = 32),
        -- The signed note (c2sp.org/tlog-checkpoint), as it was given out.
        note text NOT NULL,
        issued_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (org_id, size)
      );
      SELECT protect('audit_checkpoints');
      GRANT SELECT ON audit_checkpoints TO portcullis_app, portcullis_system;
      GRANT INSERT (org_id, size, root, note) ON audit_checkpoints TO portcullis_system;
      CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoints
        FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();

      -- Ed25519; public halves stay for ever, for what they signed does.
      CREATE TABLE audit_keys (
        name text NOT NULL,
        -- c2sp.org/signed-note: the first four bytes of SHA-256(name, LF, 0x01, public key), hex.
        id text NOT NULL CHECK (id ~ '^[0-9a-f]{8}$'),
        public_key bytea NOT NULL CHECK (octet_length(public_key) = 32),
        -- NULL once the key signs no more.
        wrapped_private text,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        -- Signs beside its successor until then.
        retires_at timestamptz,
        PRIMARY KEY (name, id)
      );
      SELECT guard_state('audit_keys', '');
      GRANT SELECT, INSERT, UPDATE (wrapped_private, retires_at) ON audit_keys TO portcullis_system;
      CREATE TRIGGER keep BEFORE DELETE ON audit_keys FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();

      -- What was found not to be as it was written. While one stands, nothing more is signed for its organization.
      CREATE TABLE audit_findings (
        org_id uuid NOT NULL,
        id uuid NOT NULL,
        kind text NOT NULL CHECK (kind IN ('position_missing', 'position_altered', 'event_missing', 'event_altered',
                                           'chain_broken', 'tile_differs', 'fork')),
        pos bigint NOT NULL,
        detail jsonb NOT NULL,
        found_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (org_id, id)
      );
      SELECT protect('audit_findings');
      SELECT guard_state('audit_findings');
      GRANT SELECT ON audit_findings TO portcullis_app, portcullis_system;
      GRANT INSERT (org_id, id, kind, pos, detail) ON audit_findings TO portcullis_system;
      CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_findings
        FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();

      -- When checkpoints were last signed of all logs that had grown: of several workers, one does it.
      ALTER TABLE deployment ADD COLUMN audit_round_at timestamptz;
    `);
  }

  async down(): Promise<void> {
    throw new Error('the audit log is not taken back: restore a backup instead');
  }
}
