import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { type Answer, expectAnswer } from '../kit/client.ts';
import { compare } from '../kit/statistics.ts';
import { addMember, setUp, type SignedIn, signIn } from '../kit/tenancy.ts';

/**
 * Whether an account exists must not show: not in words, not in status or headers, not in time. Durations are
 * compared by ranks over interleaved requests of one run, so that the noise of the machine meets both alike; what is
 * asserted is that an observer who guesses from one answer is right in no more than 60 of 100 cases.
 */
const TRIES = 120;
/** So many that no address comes to its limit before chance has to be ruled out. */
const ACCOUNTS = 32;
const GUESSED_RIGHT_AT_MOST = 0.6;

interface Probe {
  readonly name: string;
  /** One request about an account that exists, and one about an account that does not. */
  readonly ask: (about: 'known' | 'unknown', n: number) => Promise<Answer>;
  readonly status: number;
  readonly tries?: number;
}

describe('whether an account exists', () => {
  let product: Product;
  let admin: SignedIn;
  const known: string[] = [];

  beforeAll(async () => {
    product = await startProduct();
    const owner = await setUp(product);
    admin = await signIn(product, owner, 'acme');
    const platform = await signIn(product, owner, 'platform');
    // What is measured is the answer, not the limits of the source. Those of accounts stay as they are for both: an
    // address that nobody has is bound by the defaults.
    for (const session of [admin, platform]) {
      const limits = { perOrganization: 1_000_000, perSource: 1_000_000 };
      const path = `/orgs/${session.organization.id}/policy`;
      expectAnswer(await product.api.patch(path, { limits }, { token: session.accessToken }), 200);
    }
    for (let n = 0; n < ACCOUNTS; n += 1) {
      known.push((await addMember(product, admin, `known-${n}`)).email);
    }
  });
  afterAll(() => disposeAll([product]));

  const address = (about: 'known' | 'unknown', n: number): string =>
    about === 'known' ? (known[n % known.length] ?? '') : `unknown-${n % known.length}@example.com`;

  const probes: Probe[] = [
    {
      name: 'a sign-in with a wrong password',
      ask: (about, n) =>
        product.api.post('/auth/login', { email: address(about, n), password: 'not the one it is' }),
      status: 401,
    },
    {
      name: 'a sign-in to an organization',
      ask: (about, n) =>
        product.api.post('/auth/login', {
          email: address(about, n),
          password: 'not the one it is',
          organization: n % 2 === 0 ? 'acme' : 'no-such-organization',
        }),
      status: 401,
    },
    {
      name: 'a request to reset a password',
      ask: (about, n) => product.api.post('/auth/password/reset', { email: address(about, n) }),
      status: 202,
    },
    {
      name: 'an invitation',
      ask: (about, n) =>
        product.api.post(
          `/orgs/${admin.organization.id}/invitations`,
          { email: address(about, n), role: 'viewer' },
          { token: admin.accessToken },
        ),
      status: 201,
    },
  ];

  /** What an observer sees of an answer, what differs between any two requests aside. */
  const seen = ({ status, headers, body }: Answer): string =>
    JSON.stringify({
      status,
      headers: [...headers].filter(([name]) => !['date', 'x-request-id', 'content-length'].includes(name)),
      body: typeof body === 'object' && body !== null ? shapeOf(body as Record<string, unknown>) : body,
    });

  it.each(probes)('does not show in $name', async ({ name, ask, status, tries = TRIES }) => {
    const durations = { known: [] as number[], unknown: [] as number[] };
    const words = { known: new Set<string>(), unknown: new Set<string>() };
    const guessed = (): number => {
      const { auc } = compare(durations.known, durations.unknown);
      return Math.max(auc, 1 - auc);
    };
    // By chance one in a hundred looks different after the first hundred tries: then three times as many decide.
    for (let n = 0; n < tries || (n < 3 * tries && guessed() >= GUESSED_RIGHT_AT_MOST); n += 1) {
      for (const about of n % 2 === 0 ? (['known', 'unknown'] as const) : (['unknown', 'known'] as const)) {
        const began = performance.now();
        const answer = await ask(about, n);
        // The first ones warm caches up.
        if (n >= 10) durations[about].push(performance.now() - began);
        expect(answer.status, JSON.stringify(answer.body)).toBe(status);
        words[about].add(seen(answer));
      }
    }
    expect([...words.known].sort()).toEqual([...words.unknown].sort());
    const { medianA, medianB, auc, p } = compare(durations.known, durations.unknown);
    console.log(
      `${name}: known ${medianA.toFixed(2)} ms, unknown ${medianB.toFixed(2)} ms (medians of ${durations.known.length}); ` +
        `guessed right from one answer: ${(100 * Math.max(auc, 1 - auc)).toFixed(1)} %; p = ${p.toFixed(3)}`,
    );
    expect(guessed()).toBeLessThan(GUESSED_RIGHT_AT_MOST);
  });

  it('would show here if the work differed: a request that no password is hashed for', async () => {
    const durations = { hashed: [] as number[], refused: [] as number[] };
    for (let n = 0; n < 60; n += 1) {
      for (const [kind, password] of [['hashed', 'not the one it is'] as const, ['refused', ''] as const]) {
        const began = performance.now();
        await product.api.post('/auth/login', { email: address('unknown', n), password });
        durations[kind].push(performance.now() - began);
      }
    }
    expect(compare(durations.hashed, durations.refused).auc).toBeGreaterThan(0.8);
  });
});

/** The body with ids, times and secrets as their kinds, for these differ between any two answers. */
function shapeOf(body: Record<string, unknown>): Record<string, unknown> {
  const varying = new Set(['requestId', 'id', 'token', 'url', 'expiresAt']);
  return Object.fromEntries(
    Object.entries(body).map(([name, value]) => [name, varying.has(name) ? typeof value : value]),
  );
}
