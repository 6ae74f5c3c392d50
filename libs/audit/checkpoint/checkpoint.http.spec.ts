import { createHash, createPublicKey, verify } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '#database';
import type { Caller } from '#kernel';
import {
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';
import { fillLog, tamper } from '../../../test/kit/long-log.ts';
import { rootByInclusion, rootOf, rootsByConsistency } from '../../../test/kit/merkle.ts';
import { CheckpointRounds } from './checkpoint-rounds.ts';
import { Proofs } from './proofs.ts';

let product: AppInProcess;
let admin: SignedIn;
let orgId = '';
let key = '';
let anchor = '';
let tenants = 0;

beforeAll(async () => {
  anchor = await mkdtemp(join(tmpdir(), 'portcullis-anchor-'));
  product = await startApp({
    issuer: 'https://portcullis.example:8443',
    audit: { checkpointSeconds: 60, anchorDir: anchor },
  });
});
afterAll(async () => {
  await product.close();
  await rm(anchor, { recursive: true, force: true });
});
/** Each test has a log of its own, for what is found in one stays. */
beforeEach(async () => {
  tenants += 1;
  const person = { ...owner, email: `owner${tenants}@tenant.example`, name: 'Tilda' };
  admin = await product.addTenant(`tenant-${tenants}`, person);
  orgId = admin.organization.id;
  ({ key } = await product.apiKey(admin, { permissions: ['audit:export'] }));
});
afterEach(() => product.clock.reset());

const audit = (path: string, token = key) => product.get(`/orgs/${orgId}/audit/${path}`, { token });
const checkpoint = async (): Promise<{ origin: string; size: number; root: Buffer; note: string }> => {
  const answer = await audit('checkpoint');
  expectStatus(answer, 200);
  const note = answer.raw.toString();
  const [origin = '', size, root = ''] = note.split('\n');
  return { origin, size: Number(size), root: Buffer.from(root, 'base64'), note };
};
const act = async (): Promise<void> => {
  const body = { name: `Tenant ${Math.random()}` };
  expectStatus(await product.ask('PATCH', `/orgs/${orgId}`, { token: admin.accessToken, body }), 200);
};
const leaves = async (): Promise<Buffer[]> => {
  const rows = await product.sql(
    'SELECT leaf_hash FROM portcullis.audit_positions WHERE org_id = $1 ORDER BY pos',
    [orgId],
  );
  return rows.map((row) => row['leaf_hash'] as Buffer);
};
const hashesOf = async (path: string): Promise<Buffer[]> =>
  expectStatus(await audit(path), 200).hashes.map((hash: string) => Buffer.from(hash, 'hex'));
const verifierKeys = async (): Promise<string[]> => {
  const answer = await product.get('/.well-known/audit-keys');
  expectStatus(answer, 200);
  expect(answer.headers['content-type']).toMatch(/^text\/plain\b/);
  return answer.raw.toString().trimEnd().split('\n');
};
const round = async (): Promise<string[]> => {
  const failures: string[] = [];
  await product.app
    .get(CheckpointRounds)
    .round((error) => failures.push(String((error as { code?: string }).code)));
  return failures;
};
const tampered = (sql: string, ...values: unknown[]): Promise<void> =>
  tamper(product.database.adminUrl, sql, [orgId, ...values]);

/** The specification read anew: which of the keys have signed the note. */
function signersOf(note: string, keys: string[]): string[] {
  const end = note.indexOf('\n\n') + 1;
  const text = Buffer.from(note.slice(0, end));
  const lines = note
    .slice(end + 1)
    .trimEnd()
    .split('\n');
  return keys.filter((line) => {
    // Base64 has plus signs of its own.
    const [, name = '', id = '', encoded = ''] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(line) ?? [];
    const raw = Buffer.from(encoded, 'base64');
    const computed = createHash('sha256')
      .update(Buffer.concat([Buffer.from(`${name}\n`), raw]))
      .digest('hex');
    expect(computed.slice(0, 8)).toBe(id);
    expect(raw[0]).toBe(1);
    const publicKey = createPublicKey({
      key: { kty: 'OKP', crv: 'Ed25519', x: raw.subarray(1).toString('base64url') },
      format: 'jwk',
    });
    return lines.some((one) => {
      const [dash, by, blob = ''] = one.split(' ');
      const bytes = Buffer.from(blob, 'base64');
      const named = dash === '—' && by === name && bytes.subarray(0, 4).toString('hex') === id;
      return named && verify(null, text, publicKey, bytes.subarray(4));
    });
  });
}

describe('a checkpoint', () => {
  it('is the signed head of the log, with the record of its own reading in it', async () => {
    const { origin, size, root, note } = await checkpoint();
    expect(origin).toBe(`portcullis.example:8443/orgs/${orgId}/audit`);
    const all = await leaves();
    expect(size).toBe(all.length);
    expect(root.equals(rootOf(all))).toBe(true);
    const keys = await verifierKeys();
    expect(signersOf(note, keys)).toEqual(keys);
    expect(await product.records(orgId, 'audit.proved')).toHaveLength(1);
  });

  it('is the same until the log has grown', async () => {
    const first = await checkpoint();
    expect((await checkpoint()).note).toBe(first.note);
    await act();
    expect((await checkpoint()).size).toBe(first.size + 1);
  });

  it('agrees with the headers of the export', async () => {
    await audit('export?limit=1');
    const { size, root } = await checkpoint();
    const answer = await audit('export?limit=1');
    expect(answer.headers).toMatchObject({
      'x-audit-tree-size': String(size),
      'x-audit-root': root.toString('hex'),
    });
  });

  it('is for those who may export, and its keys are for everybody', async () => {
    const other = await product.apiKey(admin, { permissions: ['audit:read'] });
    for (const path of ['checkpoint', 'proofs/inclusion?pos=1&size=1', 'proofs/consistency?from=1&to=1']) {
      expectStatus(await audit(path, other.key), 403, 'access.denied');
    }
    expect((await verifierKeys()).join('\n')).not.toContain(orgId);
  });

  it('is not given to a credential that has ended, though its reading was recorded a moment ago', async () => {
    const made = await product.apiKey(admin, { permissions: ['audit:export'] });
    // As if the guard had let it in.
    const caller: Caller = {
      kind: 'api_key',
      id: made.id,
      apiKeyId: made.id,
      org: { ...admin.organization, name: 'x', kind: 'tenant', status: 'active', createdAt: '' },
      permissions: new Set(),
      assured: true,
      request: { id: 'x', method: 'GET', route: '/' },
    };
    const proofs = product.app.get(Proofs);
    await expect(proofs.checkpoint(caller)).resolves.toContain(orgId);
    const path = `/orgs/${orgId}/api-keys/${made.id}`;
    expectStatus(await product.delete(path, { token: admin.accessToken }), 204);
    await expect(proofs.checkpoint(caller)).rejects.toMatchObject({ code: 'database.credential_ended' });
  });

  it('is signed by no key that stands in the database unwrapped', async () => {
    await checkpoint();
    const [row] = await product.sql('SELECT wrapped_private, public_key FROM portcullis.audit_keys');
    const wrapped = Buffer.from(String(row?.['wrapped_private']), 'base64url');
    // PKCS #8 of an Ed25519 key begins so; wrapped it does not.
    expect(wrapped.includes(Buffer.from('302e020100300506032b6570', 'hex'))).toBe(false);
    expect(wrapped.length).toBeGreaterThan(48);
  });

  it('is signed by the old key too while a new one becomes known, and then by the new one alone', async () => {
    const operator = await product.signIn(owner, 'platform');
    const rotate = (overlapSeconds: number) =>
      product.post('/platform/audit-keys/rotate', { overlapSeconds }, { token: operator.accessToken });
    const [old = ''] = await verifierKeys();
    const before = await checkpoint();
    const { verifierKey } = expectStatus(await rotate(3600), 200);
    const keys = await verifierKeys();
    expect(keys[0]).toBe(verifierKey);
    expect(keys).toContain(old);
    await act();
    expect(signersOf((await checkpoint()).note, keys)).toEqual([verifierKey, old]);

    // At once: whoever has stolen one of those before can sign nothing that looks new.
    const next = expectStatus(await rotate(0), 200).verifierKey;
    await act();
    const all = await verifierKeys();
    expect(all).toEqual([next, verifierKey, old]);
    expect(signersOf((await checkpoint()).note, all)).toEqual([next]);
    expect(signersOf(before.note, all)).toEqual([old]);
    const secrets = await product.sql(
      'SELECT wrapped_private FROM portcullis.audit_keys ORDER BY created_at',
    );
    expect(secrets.map((row) => row['wrapped_private'] === null)).toEqual([true, true, false]);
    const records = await product.records(operator.organization.id, 'audit_key.rotated');
    expect(records).toHaveLength(2);
  });
});

describe('proofs', () => {
  it('verify against the checkpoint, and between checkpoints', async () => {
    const first = await checkpoint();
    await fillLog(product.database.adminUrl, orgId, 3_000);
    const last = await checkpoint();
    const all = await leaves();
    for (const pos of [1, 2, first.size, 256, 257, 1_000, last.size]) {
      const proof = await hashesOf(`proofs/inclusion?pos=${pos}&size=${last.size}`);
      const root = rootByInclusion(all[pos - 1]!, pos - 1, last.size, proof);
      expect(root?.equals(last.root), `position ${pos}`).toBe(true);
    }
    const proof = await hashesOf(`proofs/consistency?from=${first.size}&to=${last.size}`);
    const roots = rootsByConsistency(first.size, last.size, proof, first.root);
    expect(roots?.old.equals(first.root)).toBe(true);
    expect(roots?.young.equals(last.root)).toBe(true);
    expect(await hashesOf(`proofs/consistency?from=${first.size}&to=${first.size}`)).toEqual([]);
  });

  it.each([
    ['proofs/inclusion?pos=1&size=100000', 'size'],
    ['proofs/inclusion?pos=3&size=2', 'pos'],
    ['proofs/consistency?from=1&to=100000', 'to'],
    ['proofs/consistency?from=3&to=2', 'from'],
  ])('are not given beyond the log: %s', async (path, at) => {
    const { errors } = expectStatus(await audit(path), 400, 'audit.beyond_log');
    expect(errors).toMatchObject([{ path: at }]);
  });

  it.each([
    ['proofs/inclusion?pos=0&size=2', 'pos'],
    ['proofs/inclusion?pos=1', 'size'],
    ['proofs/inclusion?pos=1&size=1.5', 'size'],
    ['proofs/consistency?from=0&to=2', 'from'],
    ['proofs/consistency?from=1&to=-2', 'to'],
  ])('are refused with the place of what is wrong: %s', async (path, at) => {
    const { errors } = expectStatus(await audit(path), 400, 'http.invalid_input');
    expect(errors).toMatchObject([{ path: at }]);
  });
});

describe('a log that does not continue what was signed', () => {
  const CUT = 'DELETE FROM audit_positions WHERE org_id = $1 AND pos > $2';

  it('is shorter: nothing more is signed of it, also when it has grown again', async () => {
    const signed = await checkpoint();
    await tampered(CUT, signed.size - 2);
    expect(expectStatus(await audit('checkpoint'), 503, 'audit.fork_detected').data).toMatchObject({
      kind: 'fork',
      pos: signed.size,
    });
    for (let n = 0; n < 5; n += 1) await act();
    expectStatus(await audit('checkpoint'), 503, 'audit.fork_detected');
    expect(product.log.join('')).toContain(`organization ${orgId} is not what was written: fork`);
    expect(await product.records(orgId, 'audit.fork_detected')).toHaveLength(1);
    // What is exported meets what was exported before, so that is no longer given out; people can still read.
    expectStatus(await audit('export'), 503, 'audit.fork_detected');
    const read = await product.get(`/orgs/${orgId}/audit/events`, { token: admin.accessToken });
    expectStatus(read, 200);
  });

  it('has another root at the same size', async () => {
    const signed = await checkpoint();
    await tampered(CUT, signed.size - 1);
    await act();
    await act();
    expectStatus(await audit('checkpoint'), 503, 'audit.fork_detected');
  });

  it('does not keep other logs from being signed', async () => {
    const signed = await checkpoint();
    await tampered(CUT, signed.size - 1);
    await act();
    const platform = await product.signIn(owner, 'platform');
    expect(await round()).toContain('audit.fork_detected');
    const path = `/orgs/${platform.organization.id}/audit/checkpoint`;
    expectStatus(await product.get(path, { token: platform.accessToken }), 200);
  });

  it('has an event that somebody edited: no checkpoint, no root, but the export goes on', async () => {
    await fillLog(product.database.adminUrl, orgId, 2_000);
    await tampered(
      `UPDATE audit_events SET leaf = replace(leaf, 'spec', 'spy') WHERE org_id = $1 AND id =
         (SELECT event_id FROM audit_positions WHERE org_id = $1 AND pos = 700)`,
    );
    const { data } = expectStatus(await audit('checkpoint'), 503, 'audit.log_altered');
    expect(data).toMatchObject({ kind: 'event_altered', pos: 700 });
    expectStatus(await audit('proofs/inclusion?pos=1&size=1000'), 503, 'audit.log_altered');
    const answer = await audit('export?after=690&limit=20');
    expectStatus(answer, 200);
    expect(answer.raw.toString().trimEnd().split('\n')).toHaveLength(20);
    expect(answer.headers).not.toHaveProperty('x-audit-root');
    const [found] = await product.records(orgId, 'audit.alteration_found');
    expect(found).toMatchObject({
      outcome: 'failure',
      reason: 'event_altered',
      changes: { pos: { to: 700 } },
    });
  });
});

describe('a round', () => {
  const anchored = (): Promise<string> => readFile(join(anchor, `${orgId}.checkpoint`), 'utf8');
  const history = async (): Promise<string[]> =>
    (await readFile(join(anchor, `${orgId}.history.ndjson`), 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).note as string);

  it('signs and publishes what has grown, and nothing twice', async () => {
    expect(await round()).not.toContain(undefined);
    const first = await anchored();
    await round();
    expect(await history()).toEqual([first]);
    await act();
    await round();
    const second = await anchored();
    expect(await history()).toEqual([first, second]);
    expect(Number(second.split('\n')[1])).toBe(Number(first.split('\n')[1]) + 1);
    expect(signersOf(second, await verifierKeys()).length).toBeGreaterThan(0);
    expect((await readdir(anchor)).filter((name) => name.endsWith('.new'))).toEqual([]);
  });

  it('looks again at what was sealed long ago, and signs no more when that is not what was written', async () => {
    await fillLog(product.database.adminUrl, orgId, 300);
    await round();
    await tampered(
      `UPDATE audit_events SET leaf = replace(leaf, 'spec', 'spy') WHERE org_id = $1 AND id =
         (SELECT event_id FROM audit_positions WHERE org_id = $1 AND pos = 100)`,
    );
    await act();
    expect(await round()).toContain('audit.log_altered');
    const { data } = expectStatus(await audit('checkpoint'), 503, 'audit.log_altered');
    expect(data).toMatchObject({ kind: 'event_altered', pos: 100 });
  });

  it('publishes what somebody asked for between rounds', async () => {
    const { note } = await checkpoint();
    await round();
    expect(await anchored()).toBe(note);
  });

  it('finds a database that was restored from before what is anchored, checkpoints and all', async () => {
    await round();
    const size = Number((await anchored()).split('\n')[1]);
    await tampered(`DELETE FROM audit_checkpoints WHERE org_id = $1`);
    await tampered('DELETE FROM audit_positions WHERE org_id = $1 AND pos > $2', size - 2);
    await act();
    expectStatus(await audit('checkpoint'), 503, 'audit.fork_detected');
  });

  it('finds another log of the same length', async () => {
    await round();
    const size = Number((await anchored()).split('\n')[1]);
    await tampered(`DELETE FROM audit_checkpoints WHERE org_id = $1`);
    await tampered('DELETE FROM audit_positions WHERE org_id = $1 AND pos > $2', size - 2);
    for (let n = 0; n < 4; n += 1) await act();
    expect(await round()).toContain('audit.fork_detected');
  });

  it('signs nothing where the anchor is no checkpoint of ours', async () => {
    await round();
    const good = await anchored();
    const file = join(anchor, `${orgId}.checkpoint`);
    await writeFile(file, good.replace(/^\S+/, 'somebody.else/orgs/x/audit'));
    expectStatus(await audit('checkpoint'), 503, 'audit.anchor_unreadable');
    await rm(file);
    await mkdir(file);
    expectStatus(await audit('checkpoint'), 503, 'audit.anchor_unreadable');
    // Nothing is wrong with the log, so it goes on when the anchor is there again.
    await rm(file, { recursive: true });
    await writeFile(file, good);
    expect((await checkpoint()).size).toBeGreaterThan(1);
  });

  it('is run by one process, once in its interval', async () => {
    const { takeRound } = await import('./checkpoint.store.ts');
    const database = product.app.get(Database);
    const take = () => database.acrossOrgs('audit_checkpoints', (tx) => takeRound(tx, 60));
    await product.sql('UPDATE portcullis.deployment SET audit_round_at = NULL');
    expect((await Promise.all([take(), take(), take()])).filter(Boolean)).toHaveLength(1);
    expect(await take()).toBe(false);
    await product.sql(`UPDATE portcullis.deployment SET audit_round_at = now() - interval '61 seconds'`);
    expect(await take()).toBe(true);
  });
});
