import { createPublicKey, verify } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MovableClock } from '../../../test/kit/app-in-process.ts';
import type { VaultServer } from '../../../test/kit/vault-server.ts';
import { type VaultUnderTest, vaultUnderTest } from '../../../test/kit/vault-under-test.ts';
import { TransitSigner } from './transit-signer.ts';
import type { Vault } from './vault.ts';
import { vaultOf } from './vault.config.ts';

const NAME = 'portcullis-checkpoints';
const TEXT = Buffer.from('portcullis.example/orgs/x/audit\n42\nroot\n');

let under: VaultUnderTest;
let server: VaultServer;
let vault: Vault;
let signer: TransitSigner;

beforeEach(async () => {
  under = await vaultUnderTest(false, 3_000);
  server = under.fake!;
  const events = { theft: async () => undefined, failed: () => undefined };
  vault = vaultOf(under.config, new MovableClock(), events);
  signer = new TransitSigner(vault, 'transit', NAME);
});
afterEach(async () => {
  await vault.close();
  await under.stop();
});

const make = (type: string): unknown => keys(`keys/${NAME}`, { type });
const keys = (path: string, body: Record<string, unknown> = {}): unknown =>
  server.transit.handle({ method: 'POST', path, query: new URLSearchParams(), body });
const isSigned = (publicKey: Buffer, signature: Buffer): boolean => {
  const x = publicKey.toString('base64url');
  return verify(
    null,
    TEXT,
    createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }),
    signature,
  );
};

describe('a key of transit that signs checkpoints, with the policy of deploy/vault', () => {
  it('signs by the version it is asked for, also when there are newer ones', async () => {
    make('ed25519');
    const first = await signer.newest();
    const before = await signer.sign(TEXT, first);
    await signer.renew();
    const second = await signer.newest();
    expect(second.equals(first)).toBe(false);
    expect(isSigned(first, before)).toBe(true);
    expect(isSigned(first, await signer.sign(TEXT, first))).toBe(true);
    const after = await signer.sign(TEXT, second);
    expect([isSigned(second, after), isSigned(first, after)]).toEqual([true, false]);
  });

  it('is asked for its versions once, and then for signatures alone', async () => {
    make('ed25519');
    const publicKey = await signer.newest();
    const asked = server.requests.length;
    await signer.sign(TEXT, publicKey);
    await signer.sign(TEXT, publicKey);
    expect(server.requests.slice(asked).map(({ path }) => path)).toEqual([
      `/v1/transit/sign/${NAME}`,
      `/v1/transit/sign/${NAME}`,
    ]);
  });

  it('does not sign for a version that another key of that name had', async () => {
    make('ed25519');
    const asked = signer.sign(TEXT, Buffer.alloc(32, 7));
    await expect(asked).rejects.toMatchObject({
      reason: 'refused',
      message: /no version of this public key/,
    });
    expect(server.requests.some(({ path }) => path.includes('/sign/'))).toBe(false);
  });

  it('must be an Ed25519 key, and be there', async () => {
    await expect(signer.newest()).rejects.toMatchObject({ reason: 'refused', status: 404 });
    make('aes256-gcm96');
    await expect(signer.newest()).rejects.toThrow('is no Ed25519 key');
  });

  it.each(['malformed', 'html', 'hang', 'break', { status: 500 }, { status: 403 }] as const)(
    'fails as all of the server does, and with nothing of what was said (%j)',
    async (trouble) => {
      make('ed25519');
      const publicKey = await signer.newest();
      server.misbehave(trouble);
      const error: unknown = await signer.sign(TEXT, publicKey).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ name: 'VaultFailure' });
      expect(String(error)).not.toMatch(/canary|hvs\.|vault:v/);
    },
  );
});
