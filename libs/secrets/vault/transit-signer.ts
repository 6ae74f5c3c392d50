import type { CheckpointSigner } from '#audit';
import { VaultFailure } from './failure.ts';
import { vaultPath } from './path.ts';
import { record, type Reply } from './reply.ts';
import type { Vault } from './vault.ts';

const PUBLIC_KEY_BYTES = 32;

/**
 * An Ed25519 key of a transit engine as what signs checkpoints. Each signature names the version that is to make it,
 * so a rotation in the server changes nothing until somebody takes the new version. All reject with a VaultFailure.
 */
export class TransitSigner implements CheckpointSigner {
  /** By public key in base64. What a version is does not change. */
  #versions: ReadonlyMap<string, number> = new Map();

  constructor(
    private readonly vault: Vault,
    private readonly mount: string,
    private readonly name: string,
  ) {}

  async newest(): Promise<Buffer> {
    const versions = await this.#read();
    const [newest] = [...versions].toSorted(([, a], [, b]) => b - a);
    if (!newest) throw new VaultFailure('refused', { detail: `transit key ${this.name} has no versions` });
    return Buffer.from(newest[0], 'base64');
  }

  async renew(): Promise<void> {
    const path = vaultPath(this.mount, 'keys', this.name, 'rotate');
    const reply = await this.vault.ask({ method: 'POST', path, body: {} });
    if (reply.status !== 200 && reply.status !== 204) throw refused(reply, 'rotate');
  }

  async sign(text: Buffer, publicKey: Buffer): Promise<Buffer> {
    const reply = await this.vault.ask({
      method: 'POST',
      path: vaultPath(this.mount, 'sign', this.name),
      body: { input: text.toString('base64'), key_version: await this.#versionOf(publicKey) },
    });
    const { signature } = reply.data;
    const [, encoded] = /^vault:v\d+:([A-Za-z0-9+/=]+)$/.exec(String(signature)) ?? [];
    if (reply.status !== 200 || encoded === undefined) throw refused(reply, 'sign');
    return Buffer.from(encoded, 'base64');
  }

  /** A key of that name may be another today: then it has no such version. */
  async #versionOf(publicKey: Buffer): Promise<number> {
    const encoded = publicKey.toString('base64');
    const version = this.#versions.get(encoded) ?? (await this.#read()).get(encoded);
    if (version === undefined)
      throw new VaultFailure('refused', {
        detail: `transit key ${this.name} has no version of this public key`,
      });
    return version;
  }

  async #read(): Promise<ReadonlyMap<string, number>> {
    const reply = await this.vault.ask({ method: 'GET', path: vaultPath(this.mount, 'keys', this.name) });
    if (reply.status !== 200) throw refused(reply, 'keys');
    const { type, derived, keys } = reply.data;
    // A derived key is another for each context, and has no public key of its own.
    if (type !== 'ed25519' || derived === true)
      throw new VaultFailure('refused', { detail: `transit key ${this.name} is no Ed25519 key` });
    const versions = Object.entries(record(keys)).map(([number, version]) => {
      const { public_key: encoded } = record(version);
      if (typeof encoded !== 'string' || Buffer.from(encoded, 'base64').length !== PUBLIC_KEY_BYTES)
        throw new VaultFailure('malformed', { detail: 'transit keys' });
      return [Buffer.from(encoded, 'base64').toString('base64'), Number(number)] as const;
    });
    return (this.#versions = new Map(versions));
  }
}

function refused({ status }: Reply, what: string): VaultFailure {
  return new VaultFailure(status >= 400 ? 'refused' : 'malformed', { status, detail: `transit ${what}` });
}
