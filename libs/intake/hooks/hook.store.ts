import type { Asked, OrgTx, SystemTx } from '#database';

export interface HookRow {
  readonly id: string;
  readonly org_id: string;
  readonly name: string;
  readonly base_url: string;
  readonly token_ref: string;
  readonly secret_refs: string[];
  readonly repositories: string[];
  readonly branches: string[];
  readonly tags: string[];
  readonly opens: string[];
  readonly enabled: boolean;
  readonly is_default: boolean;
  readonly created_by: string;
  readonly created_at: Date;
}

const COLUMNS = `id, org_id, name, base_url, token_ref, secret_refs, repositories, branches, tags, opens, enabled,
                 is_default, created_by, created_at`;

/** Newest first. */
export async function readHooks(tx: OrgTx, limit: number, before: string | undefined): Promise<HookRow[]> {
  return tx.query<HookRow>(
    `SELECT ${COLUMNS} FROM gitea_hooks WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
    [tx.orgId, before, limit],
  );
}

export async function readHook(tx: OrgTx, id: string): Promise<HookRow | undefined> {
  return tx.one<HookRow>(`SELECT ${COLUMNS} FROM gitea_hooks WHERE org_id = $1 AND id = $2`, [tx.orgId, id]);
}

/** Locked, so that changes come one after the other. */
export async function lockHook(tx: OrgTx, id: string): Promise<HookRow | undefined> {
  return tx.one<HookRow>(`SELECT ${COLUMNS} FROM gitea_hooks WHERE org_id = $1 AND id = $2 FOR UPDATE`, [
    tx.orgId,
    id,
  ]);
}

export async function countHooks(tx: OrgTx): Promise<number> {
  const row = await tx.one<{ n: number }>('SELECT count(*)::int AS n FROM gitea_hooks WHERE org_id = $1', [
    tx.orgId,
  ]);
  return row?.n ?? 0;
}

const valuesOf = (hook: HookRow): unknown[] => [
  hook.org_id,
  hook.id,
  hook.name,
  hook.base_url,
  hook.token_ref,
  hook.secret_refs,
  hook.repositories,
  hook.branches,
  hook.tags,
  hook.opens,
  hook.enabled,
  hook.is_default,
];

/** Undefined where the name, or the place of the default, is taken. */
export async function insertHook(tx: OrgTx, hook: Omit<HookRow, 'created_at'>): Promise<HookRow | undefined> {
  return tx.one<HookRow>(
    `INSERT INTO gitea_hooks (org_id, id, name, base_url, token_ref, secret_refs, repositories, branches, tags, opens,
                              enabled, is_default, created_by)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING RETURNING ${COLUMNS}`,
    [...valuesOf(hook as HookRow), hook.created_by],
  );
}

/** Undefined where another hook has the name. */
export async function updateHook(tx: OrgTx, hook: HookRow): Promise<HookRow | undefined> {
  return tx.one<HookRow>(
    `UPDATE gitea_hooks SET name = $3, base_url = $4, token_ref = $5, secret_refs = $6, repositories = $7,
            branches = $8, tags = $9, opens = $10, enabled = $11, is_default = $12
      WHERE org_id = $1 AND id = $2
        AND NOT EXISTS (SELECT FROM gitea_hooks o WHERE o.org_id = $1 AND o.name = $3 AND o.id <> $2)
      RETURNING ${COLUMNS}`,
    valuesOf(hook),
  );
}

export async function deleteHook(tx: OrgTx, id: string): Promise<void> {
  await tx.change('DELETE FROM gitea_hooks WHERE org_id = $1 AND id = $2', [tx.orgId, id]);
}

/** A hook with whether it takes anything now. */
export interface LiveHook extends HookRow {
  readonly live: boolean;
}

const LIVE = `h.enabled AND o.status = 'active' AS live`;
const OF_HOOK = COLUMNS.replaceAll(/\w+/g, 'h.$&');

/** Of any organization; the default one where `id` is undefined. */
export async function findHook(asked: Asked, id: string | undefined): Promise<LiveHook | undefined> {
  const [row] = await asked.prepared<LiveHook>(
    'find_gitea_hook',
    `SELECT ${OF_HOOK}, ${LIVE} FROM gitea_hooks h JOIN organizations o ON o.id = h.org_id
      WHERE CASE WHEN $1::uuid IS NULL THEN h.is_default ELSE h.id = $1 END`,
    [id],
  );
  return row;
}

/** The same, while nobody changes it. */
export async function holdHook(tx: SystemTx, orgId: string, id: string): Promise<LiveHook | undefined> {
  return tx.one<LiveHook>(
    `SELECT ${OF_HOOK}, ${LIVE} FROM gitea_hooks h JOIN organizations o ON o.id = h.org_id
      WHERE h.org_id = $1 AND h.id = $2 FOR SHARE OF h`,
    [orgId, id],
  );
}

/** Of all organizations, those that take anything: by id, from `after` on. */
export async function readLiveHooks(
  tx: SystemTx,
  after: string | undefined,
  limit: number,
): Promise<{ id: string; org_id: string }[]> {
  return tx.query(
    `SELECT h.id, h.org_id FROM gitea_hooks h JOIN organizations o ON o.id = h.org_id
      WHERE h.enabled AND o.status = 'active' AND ($1::uuid IS NULL OR h.id > $1) ORDER BY h.id LIMIT $2`,
    [after, limit],
  );
}
