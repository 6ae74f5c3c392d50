import { newId } from '#kernel';
import type { Query } from './sql.ts';

/** A hook of a Gitea, with what came in by it. */
export async function seedHook(
  query: Query,
  orgId: string,
  giteaHookId: string,
  mark: string,
): Promise<void> {
  await query(
    `INSERT INTO gitea_hooks (org_id, id, name, base_url, token_ref, secret_refs, repositories, branches, tags, opens,
                              created_by)
     VALUES ($1, $2, $3, 'https://gitea.example', $3, ARRAY[$3], ARRAY[$3], '{*}', '{}', '{}', $3)`,
    [orgId, giteaHookId, mark],
  );
  await query(
    `INSERT INTO gitea_deliveries (org_id, id, hook_id, source, delivery, event, repository, body_sha256, verdict, state)
     VALUES ($1, $3, $2, 'webhook', $3, 'push', $4, $4, 'accepted', 'queued')`,
    [orgId, giteaHookId, newId(), mark],
  );
  await query('INSERT INTO gitea_repositories (org_id, hook_id, name, gitea_id) VALUES ($1, $2, $3, 1)', [
    orgId,
    giteaHookId,
    mark,
  ]);
  await query(
    `INSERT INTO gitea_refs (org_id, hook_id, repository, kind, name, commit, state)
     VALUES ($1, $2, $3, 'branch', $3, $3, $3)`,
    [orgId, giteaHookId, mark],
  );
}
