import { Injectable } from '@nestjs/common';
import { Audit, type AuditAction, bySystem, type Changes } from '#audit';
import { Database, type OrgTx } from '#database';
import { type Caller, Fault } from '#kernel';
import { OrgKeys } from '../keys/org-keys.ts';
import { SecretFault } from '../secrets.faults.ts';
import { SecretLog } from '../uses/secret-log.ts';
import { insertDigests } from '../uses/use.store.ts';
import {
  type ChangeKind,
  type ChangeRow,
  deleteChange,
  insertChange,
  type Intent,
  readAbandoned,
} from './change.store.ts';
import { type Told, nothingTold } from './custom-metadata.ts';
import { VaultFailure } from './failure.ts';
import { type KvMetadata, VaultKv } from './kv.ts';
import { asFault } from './as-fault.ts';
import { deleteVaultSecret } from './vault-secret.store.ts';

/** Seconds after which no process can still be at a change: longer than any request and any pause of a process. */
const ABANDONED_AFTER = 120;
const AT_ONCE = 100;

export interface Change<T> {
  readonly kind: ChangeKind;
  readonly intent: Intent;
  /** Tells whose it is, in the transaction that says that it was begun. May refuse with a Fault. */
  readonly about: (tx: OrgTx) => Promise<{ id: string; path: string }>;
  /** Asks the server. It says when a first step is done, after which a failure no longer means that nothing was. */
  readonly send: (id: string, stepDone: () => void) => Promise<T>;
  /** In the transaction that says how it ended. Answers what its record tells. */
  readonly done: (tx: OrgTx, answer: T, id: string) => Promise<Changes>;
}

/**
 * Changes of secrets that lie elsewhere. No transaction spans the server and the database, so each change is
 * written down before it is sent, and struck out by the record of its end. What was sent and has no known end stays,
 * until somebody looks at the server and records what is found.
 */
@Injectable()
export class VaultChanges {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly log: SecretLog,
    private readonly keys: OrgKeys,
    private readonly kv: VaultKv,
  ) {}

  /** Rejects with a Fault: of `send`, or `secrets.end_unknown` where it is not known whether it took place. */
  async carryOut<T>(caller: Caller, { kind, intent, about, send, done }: Change<T>): Promise<T> {
    const { change, secret } = await this.database.inOrg(caller, async (tx) => {
      const found = await about(tx);
      const id = await insertChange(tx, tx.orgId, { secretId: found.id, path: found.path, kind, intent });
      await this.log.changed(tx, caller, 'secret.change_started', found.id, {
        path: found.path,
        kind,
        change: id,
        ...(intent.version !== undefined && { version: intent.version }),
      });
      return { change: id, secret: found };
    });
    let maybeDone = false;
    const sent = async (): Promise<T> => {
      const answer = await send(secret.id, () => (maybeDone = true));
      maybeDone = true;
      await this.#requireShown(caller.org.id, secret, kind, intent);
      return answer;
    };
    const answer = await sent().catch(async (error: unknown) => {
      const fault = asFault(error);
      if (maybeDone || (error instanceof VaultFailure && error.maybeDone))
        throw SecretFault.end_unknown({ detail: fault.detail, retryAfter: ABANDONED_AFTER });
      await this.#refused(caller, change, secret, kind, fault);
      throw fault;
    });
    await this.database.inOrg(caller, async (tx) => {
      // Where this process slept for minutes, somebody has looked and recorded it.
      if (!(await deleteChange(tx, tx.orgId, change))) return;
      const told = await done(tx, answer, secret.id);
      await this.log.changed(tx, caller, ACTIONS[kind], secret.id, { path: secret.path, change, ...told });
    });
    return answer;
  }

  /** Ends what processes left behind: of one secret, or of any. */
  async settle(of?: { orgId: string; path: string }): Promise<number> {
    const rows = await this.database.acrossOrgs('settle_secrets', (tx) =>
      readAbandoned(tx, ABANDONED_AFTER, AT_ONCE, of),
    );
    for (const row of rows) await this.#settle(row);
    return rows.length;
  }

  async #refused(
    caller: Caller,
    change: string,
    { id, path }: { id: string; path: string },
    kind: ChangeKind,
    { code }: Fault,
  ): Promise<void> {
    await this.database.inOrg(caller, async (tx) => {
      if (!(await deleteChange(tx, tx.orgId, change))) return;
      if (kind === 'created') await deleteVaultSecret(tx, tx.orgId, id);
      await this.log.changed(tx, caller, ACTIONS[kind], id, { path, change }, code);
    });
  }

  async #settle(row: ChangeRow): Promise<void> {
    const { id: change, org_id: orgId, secret_id: secretId, path, kind, intent } = row;
    const tookPlace = await this.#tookPlace(row);
    const { version, digests, settings } = intent;
    if (tookPlace && kind === 'created' && settings) {
      const { maxVersions, casRequired, description, tags } = settings;
      const told: Told = { ...nothingTold, id: secretId, description, tags };
      await this.kv.configure(orgId, path, { told, maxVersions, casRequired });
    }
    await this.database.acrossOrgs('settle_secrets', async (tx) => {
      if (!(await deleteChange(tx, orgId, change))) return;
      const gone = tookPlace ? kind === 'destroyed' && intent.versions === undefined : kind === 'created';
      if (gone) await deleteVaultSecret(tx, orgId, secretId);
      if (tookPlace && digests && version !== undefined)
        await insertDigests(tx, orgId, { secretId, version, path }, digests);
      await this.audit.record(tx, {
        ...bySystem('secrets', 'settle_secrets'),
        orgId,
        action: ACTIONS[kind],
        target: { type: 'secret', id: secretId },
        outcome: tookPlace ? 'success' : 'failure',
        reason: tookPlace === undefined ? 'end_unknown' : tookPlace ? 'found_done' : 'found_undone',
        changes: {
          path,
          change,
          ...(version !== undefined && { version }),
          ...(digests && { digests }),
          ...(intent.versions && { versions: [...intent.versions] }),
        },
      });
    });
  }

  /**
   * The server says nothing of versions that it does not have. So it is asked whether it shows what was done: it may
   * be another one by now (a fail-over, a snapshot that was restored) than the one that was looked at.
   */
  async #requireShown(
    orgId: string,
    { id, path }: { id: string; path: string },
    kind: ChangeKind,
    { versions }: Intent,
  ): Promise<void> {
    if (!['deleted', 'undeleted', 'destroyed'].includes(kind)) return;
    const metadata = await this.kv.metadata(orgId, path);
    if (shows(metadata, id, kind, versions) !== true)
      throw new VaultFailure('failing', { detail: 'it does not show what it said it did', maybeDone: true });
  }

  /** What the server shows of it; undefined where it cannot be told. Rejects where the server cannot be asked. */
  async #tookPlace({
    org_id: orgId,
    secret_id: secretId,
    path,
    kind,
    intent,
  }: ChangeRow): Promise<boolean | undefined> {
    const { version, digests, versions } = intent;
    const metadata = await this.kv.metadata(orgId, path);
    if (!digests || version === undefined) return shows(metadata, secretId, kind, versions);
    if (isAnothers(metadata, secretId)) return kind === 'created' ? false : undefined;
    if (!metadata || metadata.currentVersion < version) return false;
    const read = await this.kv.read(orgId, path, version);
    if (read?.state !== 'live') return undefined;
    const found = await this.database.acrossOrgs('settle_secrets', async (tx) =>
      (await this.keys.currentOf(tx, orgId)).digests(read.fields),
    );
    return sameDigests(found, digests);
  }
}

function isAnothers(metadata: KvMetadata | undefined, secretId: string): boolean {
  return metadata?.told.id !== undefined && metadata.told.id !== secretId;
}

/** Whether what was to be hidden, shown or destroyed is; undefined where that cannot be told. */
function shows(
  metadata: KvMetadata | undefined,
  secretId: string,
  kind: ChangeKind,
  versions: readonly number[] | undefined,
): boolean | undefined {
  if (kind === 'destroyed' && versions === undefined)
    return metadata === undefined || isAnothers(metadata, secretId);
  if (!metadata || metadata.currentVersion === 0 || kind === 'updated' || isAnothers(metadata, secretId))
    return undefined;
  if (versions === undefined) return (metadata.told.deletedAt !== undefined) === (kind === 'deleted');
  return versions.every((number) => {
    const one = metadata.versions.get(number);
    if (!one) return false;
    return kind === 'destroyed' ? one.destroyed : (one.deletedAt !== undefined) === (kind === 'deleted');
  });
}

const ACTIONS = {
  created: 'secret.created',
  written: 'secret.written',
  updated: 'secret.updated',
  deleted: 'secret.deleted',
  undeleted: 'secret.undeleted',
  destroyed: 'secret.destroyed',
} as const satisfies Record<ChangeKind, AuditAction>;

function sameDigests(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
