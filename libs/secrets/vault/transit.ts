import { VaultFailure } from './failure.ts';
import { vaultPath } from './path.ts';
import type { Vault } from './vault.ts';

/** One key of a transit engine, which does not leave it. Rejects with a VaultFailure. */
export class TransitKey {
  constructor(
    private readonly vault: Vault,
    private readonly mount: string,
    private readonly name: string,
  ) {}

  /** `vault:v1:…`; opens as long as the key is there, also after it was rotated. */
  async wrap(plain: Buffer): Promise<string> {
    return this.#ask('encrypt', { plaintext: plain.toString('base64') }, 'ciphertext');
  }

  async unwrap(wrapped: string): Promise<Buffer> {
    return Buffer.from(await this.#ask('decrypt', { ciphertext: wrapped }, 'plaintext'), 'base64');
  }

  async #ask(verb: 'encrypt' | 'decrypt', body: Record<string, string>, answer: string): Promise<string> {
    const reply = await this.vault.ask({
      method: 'POST',
      path: vaultPath(this.mount, verb, this.name),
      body,
    });
    const text = reply.data[answer];
    if (reply.status !== 200 || typeof text !== 'string')
      throw new VaultFailure('refused', { status: reply.status, detail: `transit ${verb}` });
    return text;
  }
}
