import { Injectable } from '@nestjs/common';
import { generateKeyPairSync } from 'node:crypto';
import { Database, type SystemTx } from '#database';
import { type Caller, Clock } from '#kernel';
import { AuditConfig } from '../audit.config.ts';
import { bySystem } from '../audit-event.ts';
import { AuditFault } from '../audit.faults.ts';
import { Audit } from '../audit.ts';
import {
  type AuditKeyRow,
  insertKey,
  lockKeys,
  readDeployment,
  readKeys,
  retireKeys,
} from './audit-key.store.ts';
import { keyIdOf, signedText, type VerifierKey, verifierLine } from './note.ts';
import { contextOf, Signatures } from './signatures.ts';

/** Who signs now. */
export interface SigningKeys {
  /** The name of the newest key: what origins begin with. */
  readonly name: string;
  /** Newest first. */
  readonly keys: readonly AuditKeyRow[];
}

/** How long it is believed that a key elsewhere can sign. */
const BELIEVED_MS = 5_000;
/** No checkpoint: that has three lines. */
const PROBE = 'portcullis: whether this key can sign\n';

/**
 * The keys that sign checkpoints (Ed25519), one for the whole deployment, and for a while two where it was rotated.
 * A key bears the deployment's name, not that of a log: the list is public, and which organizations there are is
 * not. The name is that of the time when the key was made; it changes only with the key, so that an edit of the
 * configuration does not give every log another origin. So it is with where the key lies: here, wrapped by the master
 * key, or elsewhere, one version of a key that never leaves there.
 */
@Injectable()
export class AuditKeys {
  #probed = -Infinity;

  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly signatures: Signatures,
    private readonly config: AuditConfig,
    private readonly clock: Clock,
  ) {}

  /**
   * The keys that sign now; the first is made when it is first needed. Not within a transaction, for a key elsewhere
   * may take its time.
   */
  async signing(): Promise<SigningKeys> {
    const keys = (await this.#keys()).filter(({ signs }) => signs);
    return { name: keys[0]?.name ?? '', keys };
  }

  /**
   * A note of a text that ends in a line feed and has no empty line, signed by all of them or not at all. Fault:
   * `audit.signer_unavailable`.
   */
  async sign(text: string, { keys }: SigningKeys): Promise<string> {
    if (keys.length === 0) throw AuditFault.signer_unavailable({ detail: 'no key signs' });
    const signed = await Promise.all(
      keys.map(async (key) => ({ ...verifierOf(key), signature: await this.signatures.by(key, text) })),
    );
    return signedText(text, signed);
  }

  /** Whether they sign still: one may have been rotated out meanwhile. */
  async areSigning(tx: SystemTx, { keys }: SigningKeys): Promise<boolean> {
    const now = (await readKeys(tx)).filter(({ signs }) => signs);
    return now.length === keys.length && now.every(({ id }, index) => id === keys[index]?.id);
  }

  /** As it was found within the last seconds; whoever asks has it looked at again, and does not wait for it. */
  get canSign(): boolean {
    const isAble = this.signatures.isAble;
    if (isAble && !this.signatures.isElsewhere) return true;
    const now = this.clock.monotonic();
    if (now - this.#probed >= BELIEVED_MS) {
      this.#probed = now;
      // What it finds is kept where it is asked for.
      void this.#probe().catch(() => undefined);
    }
    return isAble;
  }

  /** Every key that ever signed. */
  async verifiers(tx: SystemTx): Promise<VerifierKey[]> {
    return (await readKeys(tx)).map(verifierOf);
  }

  /** The same as text, one verifier key a line, newest first. */
  async published(): Promise<string> {
    return (await this.#keys()).map((key) => `${verifierLine(verifierOf(key))}\n`).join('');
  }

  /**
   * Makes a new key, where the configuration says keys lie; the one before signs beside it for so many seconds more,
   * then never again. Fault: `audit.signer_unavailable`.
   */
  async rotate(caller: Caller, overlapSeconds: number): Promise<{ verifierKey: string }> {
    for (;;) {
      const publicKey = await this.#elsewhere();
      const key = await this.database.acrossOrgsFor('rotate_audit_key', caller, async (tx) => {
        await lockKeys(tx);
        // Another request was faster and has taken this version.
        if (publicKey && isAmong(await readKeys(tx), publicKey)) return undefined;
        await retireKeys(tx, overlapSeconds);
        const made = await this.#make(tx, publicKey);
        await this.audit.append(tx, caller, {
          action: 'audit_key.rotated',
          target: { type: 'audit_key', id: keyIdOf(made) },
          changes: { overlapSeconds: { to: overlapSeconds } },
        });
        return made;
      });
      if (key) return { verifierKey: verifierLine(key) };
    }
  }

  async #probe(): Promise<void> {
    const rows = await this.database.acrossOrgs('audit_keys', readKeys);
    const keys = rows.filter(({ signs }) => signs);
    if (keys.length > 0) await this.sign(PROBE, { name: '', keys });
    else await this.signatures.elsewhere((signer) => signer.newest());
  }

  async #keys(): Promise<AuditKeyRow[]> {
    const rows = await this.database.acrossOrgs('audit_keys', readKeys);
    if (rows.length > 0) return rows;
    const publicKey = await this.#elsewhere();
    return this.database.acrossOrgs('audit_keys', async (tx) => {
      await lockKeys(tx);
      // Another process may have been faster.
      const now = await readKeys(tx);
      if (now.length > 0) return now;
      const key = await this.#make(tx, publicKey);
      await this.audit.record(tx, {
        ...bySystem('audit'),
        orgId: (await readDeployment(tx)).platformOrgId ?? '',
        action: 'audit_key.created',
        target: { type: 'audit_key', id: keyIdOf(key) },
        outcome: 'success',
      });
      return readKeys(tx);
    });
  }

  /**
   * A version of the key elsewhere that never signed for us, and can: the newest, or one newer than that. Undefined
   * where keys are made here.
   */
  async #elsewhere(): Promise<Buffer | undefined> {
    if (!this.signatures.isElsewhere) return undefined;
    const rows = await this.database.acrossOrgs('audit_keys', readKeys);
    const publicKey = await this.signatures.elsewhere(async (signer) => {
      const newest = await signer.newest();
      if (!isAmong(rows, newest)) return newest;
      await signer.renew();
      return signer.newest();
    });
    await this.signatures.by({ name: '', id: 'new', public_key: publicKey, wrapped_private: null }, PROBE);
    return publicKey;
  }

  /** `elsewhere`: the public key of one that lies there. */
  async #make(tx: SystemTx, elsewhere: Buffer | undefined): Promise<VerifierKey> {
    const { publicUrl } = this.config;
    const name = publicUrl ? new URL(publicUrl).host : `urn:uuid:${(await readDeployment(tx)).id}`;
    if (elsewhere) {
      const key = { name, publicKey: elsewhere };
      await insertKey(tx, { ...key, id: keyIdOf(key), wrappedPrivate: null });
      return key;
    }
    const { privateKey, publicKey: pair } = generateKeyPairSync('ed25519');
    const key = { name, publicKey: pair.export({ format: 'der', type: 'spki' }).subarray(-32) };
    const id = keyIdOf(key);
    const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' });
    await insertKey(tx, {
      ...key,
      id,
      wrappedPrivate: this.config.wrapping.wrap(pkcs8, contextOf({ name, id })),
    });
    return key;
  }
}

function verifierOf({ name, public_key: publicKey }: AuditKeyRow): VerifierKey {
  return { name, publicKey };
}

function isAmong(rows: readonly AuditKeyRow[], publicKey: Buffer): boolean {
  return rows.some((row) => row.public_key.equals(publicKey));
}
