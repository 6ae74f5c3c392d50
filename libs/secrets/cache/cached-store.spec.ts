import { describe, expect, it } from 'vitest';
import type { AuditEntry } from '#audit';
import type { Database, SystemReason, SystemTx } from '#database';
import { Clock, Fault } from '#kernel';
import type { SecretReference } from '../reference.ts';
import { type Purpose, type Resolver, SecretStore } from '../secret-store.ts';
import { ResolvedSecret } from '../secret.ts';
import { SecretFault } from '../secrets.faults.ts';
import { CachedStore } from './cached-store.ts';
import { readSecretAges, secretAges } from './secret-ages.ts';
import { StorePosture } from './store-posture.ts';

class HandClock extends Clock {
  ms = 0;
  override now(): Date {
    return new Date(Date.UTC(2026, 0, 1) + this.ms);
  }
  override monotonic(): number {
    return this.ms;
  }
}

/** Answers what stands in `values` by organization and reference, or the error that stands there. */
class OneStore extends SecretStore {
  readonly values = new Map<string, string | Error>();
  readonly asked: string[] = [];

  async resolve({ orgId }: Resolver, { path, field, version }: SecretReference): Promise<ResolvedSecret> {
    const key = `${orgId} ${path}#${field}${version ? `@${version}` : ''}`;
    this.asked.push(key);
    const value = this.values.get(key) ?? SecretFault.not_found();
    await Promise.resolve();
    if (typeof value !== 'string') throw value;
    return new ResolvedSecret(value, { secretId: path, path, version: version ?? 1, digest: `of ${value}` });
  }

  // Not what this is about.
  list = unused;
  describe = unused;
  newest = unused;
  create = unused;
  write = unused;
  update = unused;
  reveal = unused;
  remove = unused;
  undelete = unused;
  destroy = unused;
  find = unused;
  rotate = unused;
  retire = unused;
  forget = unused;
}
function unused(): never {
  throw new Error('is not asked here');
}

function make() {
  const clock = new HandClock();
  const store = new OneStore();
  const stream = { isFresh: true, listen: () => undefined };
  const records: AuditEntry[] = [];
  const tx = { prepared: async () => [], query: async () => [] } as unknown as SystemTx;
  const database = {
    acrossOrgs: async <T>(_: SystemReason, work: (open: SystemTx) => Promise<T>) => work(tx),
  } as Pick<Database, 'acrossOrgs'>;
  const audit = { record: async (_: unknown, entry: AuditEntry) => void records.push(entry) };
  const posture = new StorePosture(clock, secretAges.sink.maxStaleMs);
  const cache = new CachedStore(store, { database, audit, stream, clock, ages: secretAges, posture });
  const use = async (purpose: Purpose = 'sink:x', field = 'k', orgId = 'o1') =>
    (await cache.resolve({ orgId, purpose }, { path: 'p', field })).reveal();
  const code = async (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'a value',
      (error: unknown) => (error instanceof Fault ? error.code : String(error)),
    );
  store.values.set('o1 p#k', 'one');
  return { clock, store, stream, records, posture, cache, use, code };
}

const away = SecretFault.unavailable({ retryAfter: 1 });
const { sink, identity_provider: idp } = secretAges;

describe('the cache of secrets', () => {
  it('asks again at the refresh of the class, not before', async () => {
    const { clock, store, use } = make();
    await use();
    store.values.set('o1 p#k', 'two');
    clock.ms = idp.refreshMs - 1;
    expect([await use(), await use('identity_provider:x')]).toEqual(['one', 'one']);
    clock.ms = idp.refreshMs;
    expect(await use()).toBe('one');
    expect(store.asked).toHaveLength(1);
    expect(await use('identity_provider:x')).toBe('two');
    clock.ms += sink.refreshMs - 1;
    expect(await use()).toBe('two');
    expect(store.asked).toHaveLength(2);
    clock.ms += 1;
    await use();
    expect(store.asked).toHaveLength(3);
  });

  it('serves what it knows while the store is away, until the max stale of the class and no longer', async () => {
    const { clock, store, posture, records, use, code } = make();
    await use();
    store.values.set('o1 p#k', away);
    clock.ms = idp.maxStaleMs - 1;
    expect([await use(), await use('identity_provider:x')]).toEqual(['one', 'one']);
    expect(posture.state).toBe('degraded');
    clock.ms = idp.maxStaleMs;
    expect(await code(use('identity_provider:x'))).toBe('secrets.unavailable');
    clock.ms = sink.maxStaleMs - 1;
    expect(await use()).toBe('one');
    expect(records.at(-1)?.changes).toMatchObject({ served: 'stale' });
    clock.ms = sink.maxStaleMs;
    expect(await code(use())).toBe('secrets.unavailable');
    expect(posture.state).toBe('down');
  });

  it('asks a store that is away again only after a while', async () => {
    const { clock, store, posture, use } = make();
    await use();
    store.values.set('o1 p#k', away);
    clock.ms = sink.refreshMs;
    for (let n = 0; n < 10; n += 1) expect(await use()).toBe('one');
    expect(store.asked).toHaveLength(2);
    expect([posture.state, posture.servedStaleCount]).toEqual(['degraded', 10]);
    store.values.set('o1 p#k', 'two');
    clock.ms += 1_000;
    expect([await use(), posture.state]).toEqual(['two', 'ready']);
  });

  it.each([
    'not_found',
    'deleted',
    'destroyed',
    'version_not_found',
    'field_not_found',
    'unreadable',
  ] as const)('serves nothing after the store has said %s, though it goes away then', async (reason) => {
    const { clock, store, posture, cache, use, code } = make();
    store.values.set('o1 p#other', 'too');
    await use();
    await use('sink:x', 'other');
    store.values.set('o1 p#k', SecretFault[reason]());
    clock.ms = sink.refreshMs;
    expect(await code(use())).toBe(`secrets.${reason}`);
    store.values.set('o1 p#k', away).set('o1 p#other', away);
    expect(await code(use())).toBe('secrets.unavailable');
    // What else was known of the path is no better known than this.
    expect(await code(use('sink:x', 'other'))).toBe('secrets.unavailable');
    expect(posture.state).toBe('down');
    cache.lapsed();
  });

  it('keeps organizations, paths, fields and versions apart', async () => {
    const { store, cache, use, code } = make();
    store.values.set('o2 p#k', 'theirs').set('o1 p#k@1', 'first').set('o1 p#l', 'field');
    const all = async () => [
      await use(),
      await use('sink:x', 'k', 'o2'),
      await use('sink:x', 'l'),
      (
        await cache.resolve({ orgId: 'o1', purpose: 'sink:x' }, { path: 'p', field: 'k', version: 1 })
      ).reveal(),
    ];
    expect(await all()).toEqual(['one', 'theirs', 'field', 'first']);
    expect(await all()).toEqual(['one', 'theirs', 'field', 'first']);
    expect(store.asked).toHaveLength(4);
    expect(await code(use('sink:x', 'k', 'o3'))).toBe('secrets.not_found');
  });

  it('serves nothing out of memory, stale or not, while it may have missed news', async () => {
    const { store, stream, use, code } = make();
    await use();
    store.values.set('o1 p#k', 'two');
    stream.isFresh = false;
    expect(await use()).toBe('two');
    store.values.set('o1 p#k', away);
    expect(await code(use())).toBe('secrets.unavailable');
  });

  it('forgets everything of an organization that changed', async () => {
    const { store, cache, use } = make();
    store.values.set('o2 p#k', 'theirs');
    await use();
    await use('sink:x', 'k', 'o2');
    cache.dropped(['org:o1']);
    await use();
    await use('sink:x', 'k', 'o2');
    expect(store.asked).toEqual(['o1 p#k', 'o2 p#k', 'o1 p#k']);
  });

  it('holds a bounded number of values, and wipes what it lets go', async () => {
    const { store, clock, cache, use } = make();
    for (let n = 0; n < 1_200; n += 1) store.values.set(`o1 p#f${n}`, 'v');
    for (let n = 0; n < 1_200; n += 1) await use('sink:x', `f${n}`);
    expect(cache.size).toBe(1_000);
    const before = store.asked.length;
    await use('sink:x', 'f1199');
    expect(store.asked.length).toBe(before);
    await use('sink:x', 'f0');
    expect(store.asked.length).toBe(before + 1);
    clock.ms = sink.maxStaleMs;
    await cache.sweep();
    expect(cache.size).toBe(0);
  });

  it('records the use of each who waited for one question, and the refusal of each', async () => {
    const { store, records, use, code } = make();
    await Promise.all([use(), use('mail:y'), use('webhook:z')]);
    expect(store.asked).toHaveLength(1);
    // The store records for who asked; it is none here.
    expect(records.map(({ actor }) => actor.id)).toEqual(['mail:y', 'webhook:z']);
    store.values.set('o1 p#no', SecretFault.deleted());
    await Promise.all([code(use('sink:x', 'no')), code(use('mail:y', 'no'))]);
    expect(records.at(-1)).toMatchObject({
      actor: { id: 'mail:y' },
      outcome: 'failure',
      reason: 'secrets.deleted',
    });
  });
});

describe('the ages of secrets', () => {
  it('are read by kind, and refused with the rule', () => {
    const read = readSecretAges('sink=5/10, mail=0/0');
    expect([read.sink, read.mail, read.command]).toEqual([
      { refreshMs: 5_000, maxStaleMs: 10_000 },
      { refreshMs: 0, maxStaleMs: 0 },
      secretAges.command,
    ]);
    for (const bad of ['sink', 'none=1/2', 'sink=10/5', 'sink=4000/5000', 'sink=1/90000', 'sink=-1/2'])
      expect(() => readSecretAges(bad)).toThrow('must');
  });
});
