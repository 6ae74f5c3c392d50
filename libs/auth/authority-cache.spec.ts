import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type InvalidationListener, InvalidationStream } from '#database';
import { Clock } from '#kernel';
import { AuthorityCache } from './authority-cache.ts';
import type { Authority } from './authority.ts';

class FakeClock extends Clock {
  ms = 1_000_000;

  now(): Date {
    return new Date(this.ms);
  }

  monotonic(): number {
    return this.ms;
  }
}

/** The stream without a database: the test says when the lease is live and what was invalidated. */
class FakeStream extends InvalidationStream {
  fresh = true;
  listener!: InvalidationListener;

  constructor() {
    super('postgresql://nowhere.invalid/none', new FakeClock());
  }

  override get isFresh(): boolean {
    return this.fresh;
  }

  override listen(listener: InvalidationListener): void {
    this.listener = listener;
  }

  override start(): void {}

  override async stop(): Promise<void> {}
}

function cacheOver(size?: number) {
  const stream = new FakeStream();
  const cache = new AuthorityCache(stream, size);
  cache.onModuleInit();
  return { stream, cache };
}

/** What a read of the database answered; `version` tells an old answer from a new one. */
function authority(key: string, subjects: readonly string[], version = 0): Authority {
  return {
    key,
    kind: 'user',
    id: 'u',
    display: String(version),
    userId: 'u',
    email: 'u@example.com',
    userName: 'somebody',
    org: {
      id: 'o',
      slug: 'o',
      name: 'O',
      kind: 'tenant',
      status: 'active',
      createdAt: '2026-01-01T00:00:00.000Z',
    },
    permissions: new Set(),
    assured: true,
    hasFactor: false,
    policyCidrs: [],
    subjects,
    expiresAt: Infinity,
    idleMs: Infinity,
    lastUsed: 0,
    session: undefined,
    apiKey: undefined,
  };
}

/** A load whose answer the test gives later. */
function slowLoad(cache: AuthorityCache, key: string) {
  const { promise, resolve, reject } = Promise.withResolvers<Authority | undefined>();
  return { done: cache.load(key, () => promise), resolve, reject };
}

describe('the authority cache', () => {
  it('answers what was loaded under the lease, and the same object to everyone', async () => {
    const { cache } = cacheOver();
    const loaded = authority('session:1', ['session:1', 'role:1']);
    expect(await cache.load('session:1', async () => loaded)).toBe(loaded);
    expect(cache.get('session:1')).toBe(loaded);
    expect(cache.get('session:2')).toBeUndefined();
  });

  it('answers nothing once the lease has run out, though nobody told it', async () => {
    const { cache, stream } = cacheOver();
    await cache.load('session:1', async () => authority('session:1', ['session:1']));
    stream.fresh = false;
    expect(cache.get('session:1')).toBeUndefined();
  });

  it('drops an entry with each of its subjects, and only those that depend on it', async () => {
    for (const dropped of ['session:1', 'user:1', 'role:1']) {
      const { cache, stream } = cacheOver();
      await cache.load('session:1', async () => authority('session:1', ['session:1', 'user:1', 'role:1']));
      await cache.load('session:2', async () => authority('session:2', ['session:2', 'user:2', 'role:2']));
      stream.listener.dropped(['session:none', dropped]);
      expect(cache.get('session:1')).toBeUndefined();
      expect(cache.get('session:2')).toBeDefined();
    }
  });

  it('keeps no entry of which a subject was invalidated while it was being read', async () => {
    const { cache, stream } = cacheOver();
    const load = slowLoad(cache, 'session:1');
    stream.listener.dropped(['role:1']);
    const old = authority('session:1', ['session:1', 'role:1']);
    load.resolve(old);
    // The request itself was under way before the revocation was answered: it gets what was read.
    expect(await load.done).toBe(old);
    expect(cache.get('session:1')).toBeUndefined();
  });

  it('keeps an entry that is read while something else is invalidated', async () => {
    const { cache, stream } = cacheOver();
    const load = slowLoad(cache, 'session:1');
    stream.listener.dropped(['role:2', 'session:2']);
    load.resolve(authority('session:1', ['session:1', 'role:1']));
    await load.done;
    expect(cache.get('session:1')).toBeDefined();
  });

  it('keeps nothing that was being read when the lease lapsed, although there is a new one', async () => {
    const { cache, stream } = cacheOver();
    const load = slowLoad(cache, 'session:1');
    stream.fresh = false;
    stream.listener.lapsed();
    stream.fresh = true;
    load.resolve(authority('session:1', ['session:1']));
    await load.done;
    expect(cache.get('session:1')).toBeUndefined();
  });

  it('keeps nothing whose reading began without a lease, although it ended under one', async () => {
    const { cache, stream } = cacheOver();
    stream.fresh = false;
    const load = slowLoad(cache, 'session:1');
    stream.fresh = true;
    load.resolve(authority('session:1', ['session:1']));
    await load.done;
    expect(cache.get('session:1')).toBeUndefined();
  });

  it('keeps nothing whose reading ended without a lease', async () => {
    const { cache, stream } = cacheOver();
    const load = slowLoad(cache, 'session:1');
    stream.fresh = false;
    load.resolve(authority('session:1', ['session:1']));
    await load.done;
    stream.fresh = true;
    expect(cache.get('session:1')).toBeUndefined();
  });

  it('remembers neither that there is none, nor a failure', async () => {
    const { cache } = cacheOver();
    expect(await cache.load('session:1', async () => undefined)).toBeUndefined();
    const failing = slowLoad(cache, 'session:1');
    failing.reject(new Error('no database'));
    await expect(failing.done).rejects.toThrow('no database');
    expect(cache.get('session:1')).toBeUndefined();
    expect(cache.held).toEqual({ entries: 0, subjects: 0, loads: 0 });
  });

  it('holds no more than its size, and forgets the oldest first', async () => {
    const { cache } = cacheOver(3);
    for (const n of [1, 2, 3, 2, 4]) {
      await cache.load(`session:${n}`, async () => authority(`session:${n}`, [`session:${n}`, 'org:1'], n));
    }
    expect([1, 2, 3, 4].map((n) => cache.get(`session:${n}`)?.display)).toEqual([undefined, '2', '3', '4']);
    expect(cache.held).toEqual({ entries: 3, subjects: 4, loads: 0 });
  });

  it('leaves nothing behind of entries that are gone, however they went', async () => {
    const { cache, stream } = cacheOver(2);
    const load = (key: string, ...subjects: string[]) =>
      cache.load(key, async () => authority(key, [key, ...subjects]));
    await load('session:1', 'role:1', 'org:1');
    await load('session:1', 'role:2', 'org:1');
    expect(cache.held).toEqual({ entries: 1, subjects: 3, loads: 0 });
    await load('session:2', 'role:1', 'org:1');
    await load('session:3', 'role:3', 'org:1');
    stream.listener.dropped(['session:2']);
    expect(cache.held).toEqual({ entries: 1, subjects: 3, loads: 0 });
    stream.listener.dropped(['org:1']);
    expect(cache.held).toEqual({ entries: 0, subjects: 0, loads: 0 });
    await load('session:4', 'role:1');
    stream.listener.lapsed();
    expect(cache.held).toEqual({ entries: 0, subjects: 0, loads: 0 });
  });

  it('never answers what was invalidated before, whatever happens in whatever order', async () => {
    const keys = ['session:1', 'session:2', 'session:3'];
    /** Shared and own subjects; which a key has changes with its version, as a member’s role does. */
    const subjectsOf = (key: string, version: number) => [key, `role:${version % 3}`, 'org:1'];
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ do: fc.constant('read' as const), key: fc.constantFrom(...keys) }),
      },
      { weight: 4, arbitrary: fc.record({ do: fc.constant('arrive' as const), nth: fc.nat(5) }) },
      {
        weight: 3,
        arbitrary: fc.record({
          do: fc.constant('commit' as const),
          subjects: fc.uniqueArray(fc.constantFrom(...keys, 'role:0', 'role:1', 'role:2', 'org:1'), {
            minLength: 1,
            maxLength: 3,
          }),
        }),
      },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('beat' as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('expire' as const) }) },
    );
    let answered = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { cache, stream } = cacheOver(2);
        /** The database: a version per key, and which version each key must at least have to be accepted. */
        const version = new Map(keys.map((key) => [key, 0]));
        const settled = new Map(keys.map((key) => [key, 0]));
        /** Committed, not yet read by this process: nobody was answered yet, unless the lease ran out. */
        let unread: { subjects: string[]; hit: string[] }[] = [];
        const settle = () => {
          for (const key of unread.flatMap(({ hit }) => hit)) settled.set(key, version.get(key) ?? 0);
        };
        const loads: { done: Promise<unknown>; arrive: () => void }[] = [];
        for (const one of steps) {
          if (one.do === 'read') {
            const load = slowLoad(cache, one.key);
            const seen = version.get(one.key) ?? 0;
            loads.push({
              done: load.done,
              arrive: () => load.resolve(authority(one.key, subjectsOf(one.key, seen), seen)),
            });
          } else if (one.do === 'arrive') {
            const [load] = loads.splice(one.nth % Math.max(1, loads.length), 1);
            load?.arrive();
            await load?.done;
          } else if (one.do === 'commit') {
            const hit = keys.filter((key) =>
              subjectsOf(key, version.get(key) ?? 0).some((subject) => one.subjects.includes(subject)),
            );
            for (const key of hit) version.set(key, (version.get(key) ?? 0) + 1);
            unread.push({ subjects: one.subjects, hit });
            // Without a live lease a revocation does not wait for this process.
            if (!stream.fresh) settle();
          } else if (one.do === 'beat') {
            for (const { subjects } of unread) stream.listener.dropped(subjects);
            settle();
            unread = [];
            if (!stream.fresh) stream.listener.lapsed();
            stream.fresh = true;
          } else {
            stream.fresh = false;
            settle();
          }
          for (const key of keys) {
            const found = cache.get(key);
            if (!found) continue;
            answered += 1;
            expect(Number(found.display)).toBeGreaterThanOrEqual(settled.get(key) ?? 0);
          }
          expect(cache.held.entries).toBeLessThanOrEqual(2);
          if (cache.held.entries === 0) expect(cache.held.subjects).toBe(0);
        }
        for (const load of loads) load.arrive();
        await Promise.all(loads.map(({ done }) => done));
        expect(cache.held.loads).toBe(0);
      }),
      { numRuns: 2_000 },
    );
    expect(answered, 'the property looked at answers at all').toBeGreaterThan(1_000);
  });
});
