import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { expectAnswer } from '../kit/client.ts';
import { run } from '../kit/database.ts';
import { type Account, addMember, setUp, signIn, type SignedIn } from '../kit/tenancy.ts';

const GUESSES = 200;
/** The default of an organization's policy. */
const LIMIT = 10;

interface Answer {
  readonly status: number;
  readonly body: { code?: string; deviceToken?: string };
}

/** Signs in over a socket from an address of the loopback network, each of which is a source of its own. */
function login(product: Product, from: string, body: object): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const url = `${product.origin}/api/v1/auth/login`;
    const headers = { 'content-type': 'application/json' };
    const sent = request(url, { method: 'POST', localAddress: from, headers }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => {
        const text = Buffer.concat(parts).toString();
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Answer['body'] });
      });
    });
    sent.on('error', reject);
    sent.end(JSON.stringify(body));
  });
}

describe('guesses of a password over three processes', () => {
  const replicas: Product[] = [];
  const [home, stranger, elsewhere] = ['127.0.0.11', '127.0.0.12', '127.0.0.13'];
  let adminUrl = '';
  let admin: SignedIn;
  let ada: Account;

  beforeAll(async () => {
    const first = await startProduct();
    replicas.push(first);
    const owner = await setUp(first);
    adminUrl = await first.databaseUrl();
    replicas.push(await startProduct({ replicaOf: first }), await startProduct({ replicaOf: first }));
    admin = await signIn(first, owner);
    ada = await addMember(first, admin, 'ada');
  });
  afterAll(() => disposeAll(replicas));

  /** Refusals of sign-ins with this reason, one by one and counted. */
  async function refusals(reason: string): Promise<number> {
    const rows = await run(
      adminUrl,
      `SELECT leaf FROM portcullis.audit_events WHERE org_id = $1 AND action IN ('auth.sign_in_refused', 'access.denied_repeatedly')`,
      [admin.organization.id],
    );
    return rows
      .map((row) => JSON.parse(String(row['leaf'])))
      .filter((leaf) => leaf.reason === reason)
      .reduce((sum: number, leaf) => sum + (leaf.changes?.count?.to ?? 1), 0);
  }

  it(`T1: ${GUESSES} at once verify no more than the limit, and lock nobody but the guesser out`, async () => {
    const { email, password } = ada;
    const known = await login(replicas[0]!, home, { email, password });
    expect(known.status).toBe(200);
    const answers = await Promise.all(
      Array.from({ length: GUESSES }, (_, n) =>
        login(replicas[n % replicas.length]!, stranger, { email, password: `guess number ${n}` }),
      ),
    );
    const busy = answers.filter(({ body }) => body.code === 'auth.busy').length;
    const refused = answers.filter(({ body }) => body.code === 'auth.invalid_credentials').length;
    expect(refused + busy).toBe(GUESSES);
    expect(refused).toBeGreaterThan(GUESSES / 2);
    const verified = await refusals('wrong_password');
    console.info(`T1: ${GUESSES} guesses, ${verified} verified, ${busy} turned away before that`);
    expect(verified).toBeLessThanOrEqual(LIMIT);
    expect(verified).toBeGreaterThan(LIMIT / 2);
    // Those still to be verified when the crowd was turned away have left points; whoever takes them is refused too.
    for (let n = 0; verified + n < LIMIT; n += 1)
      expect((await login(replicas[n % 3]!, stranger, { email, password: 'one more' })).status).toBe(401);
    for (const replica of replicas) {
      expect((await login(replica, stranger, { email, password })).body.code).toBe(
        'auth.invalid_credentials',
      );
      const device = { email, password, deviceToken: known.body.deviceToken };
      expect((await login(replica, stranger, device)).status).toBe(200);
      expect((await login(replica, elsewhere, { email, password })).status).toBe(200);
    }
    expect(await refusals('wrong_password')).toBe(LIMIT);
    const locked = await run(adminUrl, `SELECT FROM portcullis.audit_events WHERE action = 'auth.locked'`);
    expect(locked).toHaveLength(1);
  });

  it('T1: what is counted is the same when it is added up at the end', async () => {
    for (const replica of replicas.slice(1)) await replica.stop();
    expect(await refusals('wrong_password')).toBe(LIMIT);
    expect(await refusals('account_locked')).toBeGreaterThan(GUESSES / 2);
    expectAnswer(await replicas[0]!.api.get('/auth/me', { token: admin.accessToken }), 200);
  });
});
