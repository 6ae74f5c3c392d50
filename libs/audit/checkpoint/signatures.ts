import { Injectable } from '@nestjs/common';
import { createPrivateKey, sign } from 'node:crypto';
import { Clock } from '#kernel';
import { AuditConfig } from '../audit.config.ts';
import { AuditFault } from '../audit.faults.ts';
import type { AuditKeyRow } from './audit-key.store.ts';
import type { CheckpointSigner } from './checkpoint-signer.ts';
import { verifies } from './note.ts';

export type SigningKey = Pick<AuditKeyRow, 'name' | 'id' | 'public_key' | 'wrapped_private'>;

/** A signer that failed is not asked again before: a round over many logs does not wait for each. */
const PAUSE_MS = 5_000;

/**
 * Signatures by keys that lie here, wrapped, and by one that lies elsewhere. None leaves that the public key, which is
 * what others verify by, does not verify. Fault: `audit.signer_unavailable`.
 */
@Injectable()
export class Signatures {
  #failure: { readonly cause: unknown; readonly at: number } | undefined;

  constructor(
    private readonly config: AuditConfig,
    private readonly clock: Clock,
  ) {}

  /** False from a failure on until something was signed, or asked with success. */
  get isAble(): boolean {
    return this.#failure === undefined;
  }

  /** Whether keys are made elsewhere. */
  get isElsewhere(): boolean {
    return this.config.signer !== undefined;
  }

  async by(key: SigningKey, text: string): Promise<Buffer> {
    const bytes = Buffer.from(text);
    if (key.wrapped_private === null) {
      return this.elsewhere(async (signer) => {
        const signature = await signer.sign(bytes, key.public_key);
        requireVerified(key, bytes, signature);
        return signature;
      });
    }
    const pkcs8 = this.config.wrapping.unwrap(key.wrapped_private, contextOf(key));
    const signature = sign(null, bytes, createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }));
    requireVerified(key, bytes, signature);
    return signature;
  }

  /** Asks whoever holds the key. */
  async elsewhere<T>(work: (signer: CheckpointSigner) => Promise<T>): Promise<T> {
    const failed = this.#failure;
    if (failed && this.clock.monotonic() - failed.at < PAUSE_MS) throw unavailable(failed.cause);
    try {
      if (!this.config.signer) throw new Error('the key lies in the secret store, and none is configured');
      const done = await work(this.config.signer);
      this.#failure = undefined;
      return done;
    } catch (cause) {
      this.#failure = { cause, at: this.clock.monotonic() };
      throw unavailable(cause);
    }
  }
}

/** What the wrapping of a private key is bound to. */
export function contextOf({ name, id }: Pick<AuditKeyRow, 'name' | 'id'>): string {
  return `audit_key:${name}:${id}`;
}

function requireVerified({ id, public_key: publicKey }: SigningKey, text: Buffer, signature: Buffer): void {
  if (!verifies(publicKey, text, signature))
    throw new Error(`what was given as a signature by key ${id} is none`);
}

function unavailable(cause: unknown): Error {
  const detail = cause instanceof Error ? cause.message : String(cause);
  return AuditFault.signer_unavailable({ cause, detail, retryAfter: PAUSE_MS / 1_000 });
}
