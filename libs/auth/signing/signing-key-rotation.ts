import { Injectable } from '@nestjs/common';
import { Audit, type AuditNote, bySystem } from '#audit';
import { Database, type SystemTx } from '#database';
import { type Caller } from '#kernel';
import { AuthFault } from '../auth.faults.ts';
import { platformOrgId } from '../platform-org.store.ts';
import {
  lockSigningKeys,
  readKeyIn,
  readSigningKeys,
  retireKeys,
  type SigningKeyRow,
  startSigning,
  stopSigning,
  withdrawKey,
} from './signing-key.store.ts';
import { SigningKeys } from './signing-keys.ts';
import type { SigningKeysView } from './signing.contract.ts';

/** A key is published this long before it signs, so that verifiers elsewhere that cache the JWKS know it. */
const JWKS_LEAD_SECONDS = 600;
/** A key signs this long. */
const ROTATE_AFTER_SECONDS = 30 * 86_400;
/** The last token lives 300 s, and a replica may sign with the key before for one lease: the rest is margin. */
const RETIRE_AFTER_SECONDS = 600;

/** Writes a record of this change, whoever makes it. */
type Note = (note: AuditNote) => Promise<void>;

/**
 * The life of signing keys: next, current, retiring, retired. All replicas take it from the database under the
 * invalidation lease, so each change here answers when every one of them goes by it.
 */
@Injectable()
export class SigningKeyRotation {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly keys: SigningKeys,
  ) {}

  async list(caller: Caller): Promise<SigningKeysView> {
    const rows = await this.database.acrossOrgsFor('deployment_keys', caller, readSigningKeys);
    return { items: rows.map(signingKeyView) };
  }

  /** The first keys of a deployment, made by its set-up, which records them. Answers their ids. */
  async createFirst(tx: SystemTx): Promise<string[]> {
    return [await this.keys.create(tx, 'current'), await this.keys.create(tx, 'next')];
  }

  /** The next key signs from now on. Fault: `auth.next_key_too_new`. */
  async rotate(caller: Caller): Promise<SigningKeysView> {
    const rows = await this.database.acrossOrgsFor('deployment_keys', caller, async (tx) => {
      const note: Note = (one) => this.audit.append(tx, caller, one);
      await lockSigningKeys(tx);
      const next = await readKeyIn(tx, 'next', JWKS_LEAD_SECONDS);
      if (next && !next.due) {
        throw AuthFault.next_key_too_new({ data: { rotatableAt: next.due_at.toISOString() } });
      }
      await this.#rotate(tx, note, 'rotated_by_operator');
      return readSigningKeys(tx);
    });
    return { items: rows.map(signingKeyView) };
  }

  /**
   * For a key that may be in wrong hands: when this answers, no replica accepts a token that it signed. Sessions
   * live on, their clients refresh. Fault: `auth.signing_key_not_found`.
   */
  async withdraw(caller: Caller, kid: string): Promise<void> {
    await this.database.acrossOrgsFor('deployment_keys', caller, async (tx) => {
      const note: Note = (one) => this.audit.append(tx, caller, one);
      await lockSigningKeys(tx);
      const state = await withdrawKey(tx, kid);
      if (!state) throw AuthFault.signing_key_not_found();
      await note({
        action: 'signing_key.withdrawn',
        target: target(kid),
        changes: { state: { from: state } },
      });
      if (state === 'current') await this.#rotate(tx, note, 'withdrawn', kid);
      if (state === 'next') await this.#createNext(tx, note);
    });
  }

  /** What time asks for: a next key where there is none, the rotation, the end of old keys. For housekeeping. */
  async keep(): Promise<void> {
    await this.database.acrossOrgs('housekeeping', async (tx) => {
      await lockSigningKeys(tx);
      const orgId = await platformOrgId(tx);
      const current = await readKeyIn(tx, 'current', ROTATE_AFTER_SECONDS);
      // Before the set-up there is neither a key nor a log.
      if (orgId === undefined || !current) return;
      const origin = bySystem('housekeeping');
      const note: Note = (one) => this.audit.record(tx, { outcome: 'success', ...one, orgId, ...origin });
      const next = await readKeyIn(tx, 'next', JWKS_LEAD_SECONDS);
      if (!next) await this.#createNext(tx, note);
      else if (current.due && next.due) await this.#rotate(tx, note, 'rotated_by_age');
      for (const kid of await retireKeys(tx, RETIRE_AFTER_SECONDS)) {
        await note({ action: 'signing_key.retired', target: target(kid) });
      }
    });
  }

  /** Makes the next key the current one, and a new next one. Without a next key a new one signs at once. */
  async #rotate(tx: SystemTx, note: Note, reason: string, withdrawn?: string): Promise<void> {
    const before = withdrawn ?? (await readKeyIn(tx, 'current', 0))?.kid;
    await stopSigning(tx);
    let kid = (await readKeyIn(tx, 'next', 0))?.kid;
    if (kid !== undefined) await startSigning(tx, kid);
    else {
      kid = await this.keys.create(tx, 'current');
      await note({ action: 'signing_key.created', target: target(kid) });
    }
    await note({
      action: 'signing_key.rotated',
      target: target(kid),
      reason,
      changes: { current: { ...(before !== undefined && { from: before }), to: kid } },
    });
    await this.#createNext(tx, note);
  }

  async #createNext(tx: SystemTx, note: Note): Promise<void> {
    const kid = await this.keys.create(tx, 'next');
    await note({ action: 'signing_key.created', target: target(kid) });
  }
}

function target(kid: string): { type: string; id: string } {
  return { type: 'signing_key', id: kid };
}

function signingKeyView(row: SigningKeyRow): SigningKeysView['items'][number] {
  return {
    kid: row.kid,
    state: row.state,
    createdAt: row.created_at.toISOString(),
    signsFrom: row.signs_from?.toISOString() ?? null,
    signsUntil: row.signs_until?.toISOString() ?? null,
    retiredAt: row.retired_at?.toISOString() ?? null,
  };
}
