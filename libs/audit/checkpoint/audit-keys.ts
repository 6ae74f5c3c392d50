import { Injectable } from '@nestjs/common';
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { Database, type SystemTx } from '#database';
import { type Caller } from '#kernel';
import { AuditConfig } from '../audit.config.ts';
import { bySystem } from '../audit-event.ts';
import { Audit } from '../audit.ts';
import {
  type AuditKeyRow,
  insertKey,
  lockKeys,
  readDeployment,
  readKeys,
  retireKeys,
} from './audit-key.store.ts';
import { keyIdOf, type VerifierKey, verifierLine } from './note.ts';

type Signer = VerifierKey & { readonly privateKey: KeyObject };

/** Who signs a checkpoint now. */
export interface Signers {
  /** The name of the newest key: what origins begin with. */
  readonly name: string;
  readonly signers: readonly Signer[];
}

/**
 * The keys that sign checkpoints (Ed25519), one for the whole deployment, and for a while two where it was rotated.
 * A key bears the deployment's name, not that of a log: the list is public, and which organizations there are is
 * not. The name is that of the time when the key was made; it changes only with the key, so that an edit of the
 * configuration does not give every log another origin.
 */
@Injectable()
export class AuditKeys {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly config: AuditConfig,
  ) {}

  /** The keys that sign now, newest first; the first is made when it is first needed. */
  async signers(tx: SystemTx): Promise<Signers> {
    const rows = await this.#keys(tx);
    const signers = rows.flatMap((row): Signer[] => {
      if (!row.signs || row.wrapped_private === null) return [];
      const pkcs8 = this.config.wrapping.unwrap(row.wrapped_private, contextOf(row));
      const privateKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
      return [{ name: row.name, publicKey: row.public_key, privateKey }];
    });
    return { name: signers[0]?.name ?? '', signers };
  }

  /** Every key that ever signed. */
  async verifiers(tx: SystemTx): Promise<VerifierKey[]> {
    return (await readKeys(tx)).map(({ name, public_key: publicKey }) => ({ name, publicKey }));
  }

  /** The same as text, one verifier key a line, newest first. */
  async published(): Promise<string> {
    const rows = await this.database.acrossOrgs('audit_keys', (tx) => this.#keys(tx));
    return rows.map(({ name, public_key: publicKey }) => `${verifierLine({ name, publicKey })}\n`).join('');
  }

  /** Makes a new key; the one before signs beside it for so many seconds more, then never again. */
  async rotate(caller: Caller, overlapSeconds: number): Promise<{ verifierKey: string }> {
    return this.database.acrossOrgsFor('rotate_audit_key', caller, async (tx) => {
      await lockKeys(tx);
      await retireKeys(tx, overlapSeconds);
      const key = await this.#make(tx);
      await this.audit.append(tx, caller, {
        action: 'audit_key.rotated',
        target: { type: 'audit_key', id: keyIdOf(key) },
        changes: { overlapSeconds: { to: overlapSeconds } },
      });
      return { verifierKey: verifierLine(key) };
    });
  }

  async #keys(tx: SystemTx): Promise<AuditKeyRow[]> {
    const rows = await readKeys(tx);
    if (rows.length > 0) return rows;
    await lockKeys(tx);
    // Another process may have been faster.
    const now = await readKeys(tx);
    if (now.length > 0) return now;
    const key = await this.#make(tx);
    await this.audit.record(tx, {
      ...bySystem('audit'),
      orgId: (await readDeployment(tx)).platformOrgId ?? '',
      action: 'audit_key.created',
      target: { type: 'audit_key', id: keyIdOf(key) },
      outcome: 'success',
    });
    return readKeys(tx);
  }

  async #make(tx: SystemTx): Promise<VerifierKey> {
    const { publicUrl } = this.config;
    const name = publicUrl ? new URL(publicUrl).host : `urn:uuid:${(await readDeployment(tx)).id}`;
    const { privateKey, publicKey: pair } = generateKeyPairSync('ed25519');
    const key = { name, publicKey: pair.export({ format: 'der', type: 'spki' }).subarray(-32) };
    const id = keyIdOf(key);
    await insertKey(tx, {
      ...key,
      id,
      wrappedPrivate: this.config.wrapping.wrap(
        privateKey.export({ format: 'der', type: 'pkcs8' }),
        contextOf({ name, id }),
      ),
    });
    return key;
  }
}

function contextOf({ name, id }: Pick<AuditKeyRow, 'name' | 'id'>): string {
  return `audit_key:${name}:${id}`;
}
