import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Database } from '#database';
import { type Caller, Clock, newId, type Page, pageOf, readPage } from '#kernel';
import { MasterKey } from '#secrets';
import { type By, Moves } from '../lifecycle/moves.ts';
import type { AnyTx } from '../lifecycle/rollout.store.ts';
import { RolloutFault } from '../rollout.faults.ts';
import { readStanding } from '../signoff/person.store.ts';
import { keyIdOf, readPublicKey } from './dsse.ts';
import type { EvidenceKeyRequest, EvidenceKeyView } from './evidence.contract.ts';
import { insertKey, type KeyRow, ownKey, readKeys, revokeKey } from './evidence.store.ts';

/** The keys whose signatures count as evidence: the organization's own, made when it is first needed, and those of others. */
@Injectable()
export class EvidenceKeys {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly moves: Moves,
    private readonly masterKey: MasterKey,
    private readonly clock: Clock,
  ) {}

  async list(caller: Caller, query: { limit?: number; cursor?: string }): Promise<Page<EvidenceKeyView>> {
    const { limit, before } = readPage(query);
    const rows = await this.database.inOrg(caller, (tx) => readKeys(tx, limit + 1, before));
    return pageOf(rows, limit, keyView);
  }

  /** Faults: `rollout.evidence_key_bad`, `rollout.evidence_owner_unknown`, `rollout.evidence_key_exists`. */
  async register(caller: Caller, request: EvidenceKeyRequest): Promise<EvidenceKeyView> {
    return this.database.inOrg(caller, async (tx) => {
      const key = readPublicKey(request.publicKey);
      if (!key) {
        const message = 'must be a public key, Ed25519 or ECDSA P-256';
        throw RolloutFault.evidence_key_bad({ errors: [{ path: 'publicKey', message }] });
      }
      const expiresAt = request.expiresAt === undefined ? null : new Date(request.expiresAt);
      if (expiresAt !== null && expiresAt <= this.clock.now()) {
        throw RolloutFault.evidence_key_bad({
          errors: [{ path: 'expiresAt', message: 'must lie ahead' }],
        });
      }
      const [owner] = await readStanding(tx, tx.orgId, [request.ownerId]);
      if (owner?.active !== true) {
        throw RolloutFault.evidence_owner_unknown({
          errors: [{ path: 'ownerId', message: 'is no active member' }],
        });
      }
      const row = {
        id: newId(),
        name: request.name,
        keyid: key.keyid,
        algorithm: key.algorithm,
        public_key: key.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
        wrapped_private: null,
        owner_id: request.ownerId,
        expires_at: expiresAt,
      };
      if (!(await insertKey(tx, tx.orgId, row))) throw RolloutFault.evidence_key_exists();
      await this.audit.append(tx, caller, {
        action: 'evidence_key.registered',
        target: { type: 'evidence_key', id: row.id },
        changes: {
          keyid: { to: row.keyid },
          name: { to: row.name },
          owner: { to: request.ownerId },
          ...(expiresAt && { expiresAt: { to: expiresAt.toISOString() } }),
        },
      });
      return keyView({ ...row, created_at: this.clock.now(), revoked_at: null });
    });
  }

  /** What it signed counts no longer, from the answer on. An own key is followed by another when one is needed. */
  async revoke(caller: Caller, id: string): Promise<void> {
    await this.database.inOrg(caller, async (tx) => {
      const keyid = await revokeKey(tx, id);
      if (keyid === undefined) throw RolloutFault.evidence_key_not_found();
      await this.audit.append(tx, caller, {
        action: 'evidence_key.revoked',
        target: { type: 'evidence_key', id },
        changes: { keyid: { from: keyid } },
      });
    });
  }

  /** The organization's own key. */
  async own(tx: AnyTx, orgId: string, by: By): Promise<{ row: KeyRow; privateKey: KeyObject }> {
    const row = (await ownKey(tx, orgId)) ?? (await this.#make(tx, orgId, by));
    const pkcs8 = this.masterKey.unwrap(row.wrapped_private ?? '', contextOf(orgId, row.id));
    return { row, privateKey: createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }) };
  }

  async #make(tx: AnyTx, orgId: string, by: By): Promise<KeyRow> {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const id = newId();
    const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' });
    const made = await insertKey(tx, orgId, {
      id,
      name: 'own',
      keyid: keyIdOf(publicKey),
      algorithm: 'ed25519',
      public_key: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
      wrapped_private: this.masterKey.wrap(pkcs8, contextOf(orgId, id)),
      owner_id: null,
      expires_at: null,
    });
    if (made) {
      await this.moves.note(tx, by, {
        action: 'evidence_key.created',
        target: { type: 'evidence_key', id },
        changes: { keyid: { to: keyIdOf(publicKey) } },
      });
    }
    const row = await ownKey(tx, orgId);
    if (!row) throw new Error('the evidence key of the organization is gone');
    return row;
  }
}

const contextOf = (orgId: string, id: string): string => `evidence_key:${orgId}:${id}`;

function keyView(row: Omit<KeyRow, 'wrapped_private'>): EvidenceKeyView {
  return {
    id: row.id,
    name: row.name,
    keyid: row.keyid,
    algorithm: row.algorithm,
    publicKey: row.public_key,
    ownerId: row.owner_id,
    createdAt: row.created_at.toISOString(),
    expiresAt: row.expires_at?.toISOString() ?? null,
    revokedAt: row.revoked_at?.toISOString() ?? null,
  };
}
