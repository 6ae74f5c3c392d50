import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
  until,
} from '../../../test/kit/app-in-process.ts';
import { tamper } from '../../../test/kit/long-log.ts';
import { AuditConfig } from '../audit.config.ts';
import { CheckpointRounds } from './checkpoint-rounds.ts';
import type { CheckpointSigner } from './checkpoint-signer.ts';
import { openNote, type VerifierKey } from './note.ts';

/** A key that lies elsewhere, and does what a specification says. */
class SignerElsewhere implements CheckpointSigner {
  readonly versions: { publicKey: Buffer; privateKey: KeyObject }[] = [];
  /** How often it was asked to sign. */
  asked = 0;
  away = false;
  lies = false;
  /** What signing waits for. */
  gate: Promise<void> = Promise.resolve();

  constructor() {
    this.make();
  }

  make(): void {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
    this.versions.push({ publicKey: raw, privateKey });
  }

  async newest(): Promise<Buffer> {
    if (this.away) throw new Error('away');
    return this.versions.at(-1)!.publicKey;
  }

  async renew(): Promise<void> {
    this.make();
  }

  async sign(text: Buffer, publicKey: Buffer): Promise<Buffer> {
    this.asked += 1;
    await this.gate;
    if (this.away) throw new Error('away');
    if (this.lies) return randomBytes(64);
    return sign(null, text, this.versions.find((one) => one.publicKey.equals(publicKey))!.privateKey);
  }
}

let product: AppInProcess;
let operator: SignedIn;
let admin: SignedIn;
let signer: SignerElsewhere;
let anchor = '';
let orgId = '';
let key = '';
let tenants = 0;

beforeAll(async () => {
  anchor = await mkdtemp(join(tmpdir(), 'portcullis-signer-'));
  signer = new SignerElsewhere();
  product = await startApp({ audit: { checkpointSeconds: 60, anchorDir: anchor, signer } });
  await product.app.get(CheckpointRounds).compare(() => undefined);
});
afterAll(async () => {
  await product.close();
  await rm(anchor, { recursive: true, force: true });
});
beforeEach(async () => {
  Object.assign(signer, { away: false, lies: false, gate: Promise.resolve() });
  // Past the pause after a failure.
  product.clock.advance(10_000);
  operator = await product.signIn(owner, 'platform');
  tenants += 1;
  admin = await product.addTenant(`tenant-${tenants}`, { ...owner, email: `owner${tenants}@tenant.example` });
  orgId = admin.organization.id;
  ({ key } = await product.apiKey(admin, { permissions: ['audit:export'] }));
});

const checkpoint = () => product.get(`/orgs/${orgId}/audit/checkpoint`, { token: key });
const note = async (): Promise<string> => String(expectStatus(await checkpoint(), 200));
const rotate = async (overlapSeconds: number): Promise<string> =>
  expectStatus(
    await product.post('/platform/audit-keys/rotate', { overlapSeconds }, { token: operator.accessToken }),
    200,
  ).verifierKey;
const act = async (): Promise<void> => {
  const body = { name: `Tenant ${Math.random()}` };
  expectStatus(await product.ask('PATCH', `/orgs/${orgId}`, { token: admin.accessToken, body }), 200);
};
/** By the public half: name, and its 32 bytes. */
const published = async (): Promise<VerifierKey[]> => {
  const text = String(expectStatus(await product.get('/.well-known/audit-keys'), 200));
  return text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [, name = '', blob = ''] = /^([^+]+)\+[0-9a-f]{8}\+(.+)$/.exec(line) ?? [];
      return { name, publicKey: Buffer.from(blob, 'base64').subarray(1) };
    });
};
const signedBy = async (text: string): Promise<Buffer[]> =>
  (await published()).filter((one) => openNote(text, [one]) !== undefined).map(({ publicKey }) => publicKey);
const kept = async (): Promise<number> => {
  const [row] = await product.sql(
    'SELECT count(*)::int AS n FROM portcullis.audit_checkpoints WHERE org_id = $1',
    [orgId],
  );
  return row?.['n'];
};
const audit = async (): Promise<object> => {
  const { components } = expectStatus(await product.get('/health/ready'), 200);
  return components.find(({ name }: { name: string }) => name === 'audit');
};
const round = async (): Promise<string[]> => {
  const failures: string[] = [];
  await product.app
    .get(CheckpointRounds)
    .round((error) => failures.push(String((error as { code?: string }).code)));
  return failures;
};

describe('a key that lies elsewhere', () => {
  it('signs, its public half is published, and the database holds no other', async () => {
    const text = await note();
    expect(await signedBy(text)).toEqual([signer.versions[0]!.publicKey]);
    const rows = await product.sql(
      'SELECT public_key, wrapped_private, retires_at FROM portcullis.audit_keys',
    );
    expect(rows).toEqual([
      { public_key: signer.versions[0]!.publicKey, wrapped_private: null, retires_at: null },
    ]);
    expect(await round()).toEqual([]);
    expect(await readFile(join(anchor, `${orgId}.checkpoint`), 'utf8')).toContain(`/orgs/${orgId}/audit\n`);
  });

  it('goes on with its version until the operator takes the next; old notes open still', async () => {
    const before = await note();
    const used = (await signedBy(before))[0]!;
    signer.make();
    await act();
    expect(await signedBy(await note())).toEqual([used]);

    const versions = signer.versions.length;
    await rotate(3_600);
    expect(signer.versions).toHaveLength(versions);
    await act();
    const taken = signer.versions.at(-1)!.publicKey;
    expect(await signedBy(await note())).toEqual([taken, used]);

    // There is none that is newer, so one is made.
    await rotate(0);
    expect(signer.versions).toHaveLength(versions + 1);
    await act();
    expect(await signedBy(await note())).toEqual([signer.versions.at(-1)!.publicKey]);
    expect(await signedBy(before)).toEqual([used]);
  });

  it('that two operators rotate at once makes a version for each', async () => {
    const versions = signer.versions.length;
    const made = await Promise.all([rotate(60), rotate(60)]);
    expect(new Set(made).size).toBe(2);
    expect(signer.versions.length).toBe(versions + 2);
    await rotate(0);
  });

  it('is away: nothing is signed, all else goes on, and readiness and the posture say so', async () => {
    await note();
    await act();
    const before = await kept();
    signer.away = true;
    const refused = await checkpoint();
    expectStatus(refused, 503, 'audit.signer_unavailable');
    expect(refused.headers['retry-after']).toBe('5');
    expect(await kept()).toBe(before);
    expect(await audit()).toEqual({ name: 'audit', state: 'degraded', reason: 'not_signing' });
    const posture = await product.get('/security/readiness', { token: operator.accessToken });
    const { items } = expectStatus(posture, 200);
    expect(items.find(({ key: name }: { key: string }) => name === 'audit-log')).toMatchObject({
      verdict: 'blocked',
      reasons: ['runtime_not_materialized'],
    });

    await act();
    const lines = await product.get(`/orgs/${orgId}/audit/export`, { token: key });
    expectStatus(lines, 200);
    expectStatus(await product.get('/.well-known/audit-keys'), 200);
    // A round over all that wait asks once, and says it once.
    product.clock.advance(10_000);
    const asked = signer.asked;
    expect(await round()).toEqual(['audit.signer_unavailable']);
    expect(signer.asked).toBe(asked + 1);

    signer.away = false;
    product.clock.advance(10_000);
    await until(async () => ((await audit()) as { state: string }).state === 'ready');
    await note();
    expect(await kept()).toBe(before + 1);
  });

  it('is found to be away by whoever asks for readiness, though nobody wanted a signature', async () => {
    await note();
    expect(await audit()).toEqual({ name: 'audit', state: 'ready' });
    signer.away = true;
    product.clock.advance(10_000);
    await until(async () => ((await audit()) as { state: string }).state === 'degraded');
  });

  it('gives a signature that is none: nobody gets it, and nothing is kept or published', async () => {
    await round();
    await act();
    const [before, files] = [await kept(), await Promise.all((await readdir(anchor)).map(contentOf))];
    signer.lies = true;
    expectStatus(await checkpoint(), 503, 'audit.signer_unavailable');
    product.clock.advance(10_000);
    expect(await round()).toEqual(['audit.signer_unavailable']);
    expect(await kept()).toBe(before);
    expect(await Promise.all((await readdir(anchor)).map(contentOf))).toEqual(files);
    // Nor is a key taken that gives none.
    product.clock.advance(10_000);
    const keys = await published();
    const answer = await product.post(
      '/platform/audit-keys/rotate',
      { overlapSeconds: 0 },
      { token: operator.accessToken },
    );
    expectStatus(answer, 503, 'audit.signer_unavailable');
    expect(await published()).toEqual(keys);
  });

  it('is rotated out while it signs: what it signed is given to nobody', async () => {
    await note();
    await act();
    const { promise, resolve } = Promise.withResolvers<void>();
    const asked = signer.asked;
    signer.gate = promise;
    const pending = checkpoint();
    await until(async () => signer.asked > asked);
    signer.gate = Promise.resolve();
    await rotate(0);
    resolve();
    expect(await signedBy(String(expectStatus(await pending, 200)))).toEqual([
      signer.versions.at(-1)!.publicKey,
    ]);
  });

  it('is slow, and another is faster: the later checkpoint is the answer', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const asked = signer.asked;
    signer.gate = promise;
    const pending = checkpoint();
    await until(async () => signer.asked > asked);
    signer.gate = Promise.resolve();
    await act();
    const later = await note();
    resolve();
    expect(expectStatus(await pending, 200)).toBe(later);
    expect(await kept()).toBe(1);
  });

  it('is away when a fork is found: it is on record, without a signature', async () => {
    await act();
    await note();
    signer.away = true;
    await tamper(
      product.database.adminUrl,
      'DELETE FROM portcullis.audit_positions WHERE org_id = $1 AND pos > 3',
      [orgId],
    );
    expectStatus(await checkpoint(), 503, 'audit.fork_detected');
    const [fork] = await product.sql('SELECT note FROM portcullis.audit_forks WHERE org_id = $1', [orgId]);
    expect(fork?.['note']).toMatch(/^orgs\/.*\/audit\/fork\n/);
    expect(fork?.['note']).not.toContain('—');
    const path = `/platform/audit-forks/${orgId}/acknowledge`;
    const reason = { reason: 'cut by hand' };
    expectStatus(await product.post(path, reason, { token: operator.accessToken }), 200);
  });
});

describe('keys that move', () => {
  it('from the database elsewhere and back, when the operator rotates and not before', async () => {
    const config = product.app.get(AuditConfig);
    Object.assign(config, { signer: undefined });
    // The key lies elsewhere still, and nothing is said of where.
    await act();
    expectStatus(await checkpoint(), 503, 'audit.signer_unavailable');
    product.clock.advance(10_000);
    await rotate(0);
    const [here] = await signedBy(await note());
    expect(signer.versions.some(({ publicKey }) => publicKey.equals(here!))).toBe(false);

    Object.assign(config, { signer });
    await act();
    expect(await signedBy(await note())).toEqual([here]);
    await rotate(3_600);
    await act();
    expect(await signedBy(await note())).toEqual([signer.versions.at(-1)!.publicKey, here]);
    await rotate(0);
    const [row] = await product.sql(
      'SELECT wrapped_private FROM portcullis.audit_keys WHERE public_key = $1',
      [here],
    );
    expect(row).toEqual({ wrapped_private: null });
  });
});

async function contentOf(name: string): Promise<string> {
  return `${name} ${createHash('sha256')
    .update(await readFile(join(anchor, name)))
    .digest('hex')}`;
}
