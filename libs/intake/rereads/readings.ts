import type { OrgTx, SystemTx } from '#database';
import { readHook } from '../hooks/hook.store.ts';
import { readLastSeen, type RefKind } from './ref.store.ts';

/** Where a ref stood when Gitea was last asked. */
export interface RefReading {
  /** `https://gitea.example/owner/name`, as the hook says it now. */
  readonly repository: string;
  /** Undefined where Gitea knew of no such ref, or it stands for nothing any more. */
  readonly commit: string | undefined;
  readonly readAt: Date;
}

/**
 * What is known of a ref (`refs/heads/…`, `refs/tags/…`, `refs/pull/<number>/head`) of a repository (`owner/name`).
 * Undefined where nothing is: the hook is gone or disabled or not for it, or nobody has asked Gitea yet.
 */
export async function readRef(
  tx: OrgTx | SystemTx,
  orgId: string,
  asked: { readonly hookId: string; readonly repository: string; readonly ref: string },
): Promise<RefReading | undefined> {
  const [kinds, name] = placeOf(asked.ref);
  if (name === '') return undefined;
  const row = await readLastSeen(tx, orgId, { ...asked, kinds, name });
  if (!row?.read_at) return undefined;
  const ended = row.kind === 'pull' && row.state?.startsWith('closed ') === true;
  return { repository: row.url, commit: ended ? undefined : (row.commit ?? undefined), readAt: row.read_at };
}

function placeOf(ref: string): readonly [RefKind[], string] {
  const [, kind, name = ''] = /^refs\/(heads|tags|pull)\/(.+)$/.exec(ref) ?? [];
  if (kind === 'pull') return [['pull'], /^(\d+)\/head$/.exec(name)?.[1] ?? ''];
  return [kind === 'heads' ? ['branch'] : ['tag', 'release'], name];
}

/** Whether the organization has this hook, and it is for the repository (`owner/name`, small letters). */
export async function isHookFor(tx: OrgTx, hookId: string, repository: string): Promise<boolean> {
  return (await readHook(tx, hookId))?.repositories.includes(repository) === true;
}
