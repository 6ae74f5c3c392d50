import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
  until,
} from '../../../test/kit/app-in-process.ts';
import { type MailServer, type ReceivedMail, startMailServer } from '../../../test/kit/mail-server.ts';

const SECOND = 'nine patient lanterns below';
const ada = { email: 'ada@acme.example', name: 'Ada', password: 'slow green harbour candle 4' };
const gus = { email: 'gus@globex.example', name: 'Gus', password: 'early winter orchard gate 5' };

let server: MailServer;
let product: AppInProcess;
let admin: SignedIn;
let adaId = '';

beforeAll(async () => {
  server = await startMailServer();
  product = await startApp({ smtp: server.url });
  admin = await product.signIn(owner);
  await product.addTenant('globex', gus);
  adaId = await product.addMember(admin, ada, 'viewer');
});
afterAll(async () => {
  await product.close();
  await server.close();
});

const ask = (email: string): Promise<Answered> => product.post('/auth/password/reset', { email });
const complete = (token: string, newPassword: string): Promise<Answered> =>
  product.post('/auth/password/reset/complete', { token, newPassword });
const linkIn = ({ text }: ReceivedMail): string => /\S+\/reset-password#(\S+)/.exec(text)?.[1] ?? '';
const linksTo = (address: string): ReceivedMail[] =>
  server.mails().filter((mail) => mail.to.includes(address) && linkIn(mail) !== '');
const jobsLeft = async (): Promise<number> => {
  const [row] = await product.sql(
    `SELECT count(*)::int AS left FROM pgboss.job WHERE name = 'password_reset' AND state < 'completed'`,
  );
  return Number(row?.['left']);
};

describe('a reset that a person asks for', () => {
  it('mails a link that sets the password, and tells of the change', async () => {
    const session = await product.signIn(ada);
    expectStatus(await ask(ada.email.toUpperCase()), 202);
    const mail = await server.waitFor((one) => one.to[0] === ada.email && linkIn(one) !== '');
    expect(mail.to).toEqual([ada.email]);
    const token = linkIn(mail);
    expect(token).toMatch(/^pcp_/);
    const [record] = await product.records(admin.organization.id, 'auth.password_reset_requested');
    expect(record).toMatchObject({
      actor: { type: 'anonymous' },
      target: { id: adaId },
      request: { method: 'POST' },
    });
    expect(JSON.stringify(await product.sql('SELECT data FROM pgboss.job'))).not.toContain(ada.email);
    expect(expectStatus(await complete(token, SECOND), 200)).toEqual({ revoked: 1 });
    expectStatus(await product.get('/auth/me', { token: session.accessToken }), 401, 'auth.session_ended');
    await server.waitFor((one) => one.to[0] === ada.email && one.subject === 'Your password was changed');
    await product.signIn({ ...ada, password: SECOND });
    expect(product.log.join('')).not.toContain(token);
  });

  it('does nothing for an unknown, disabled or organization-less address, and answers the same', async () => {
    const known = await ask(ada.email);
    await product.change(`UPDATE users SET status = 'disabled' WHERE email = $1`, [gus.email]);
    const answers = [known, await ask('nobody@acme.example'), await ask(gus.email)];
    for (const answer of answers) {
      expect({ status: answer.status, body: answer.raw.toString() }).toEqual({ status: 202, body: '' });
    }
    await until(async () => (await jobsLeft()) === 0);
    await server.waitFor((mail) => mail.to[0] === ada.email && linksTo(ada.email).length === 2);
    expect([...linksTo('nobody@acme.example'), ...linksTo(gus.email)]).toEqual([]);
    await product.change(`UPDATE users SET status = 'active' WHERE email = $1`, [gus.email]);
  });

  it('is not told apart by its time from one for nobody', async () => {
    const took: Record<'known' | 'unknown', number[]> = { known: [], unknown: [] };
    for (let n = 0; n < 40; n += 1) {
      for (const which of n % 2 === 0 ? (['known', 'unknown'] as const) : (['unknown', 'known'] as const)) {
        const before = performance.now();
        expectStatus(await ask(which === 'known' ? ada.email : `nobody-${n}@acme.example`), 202);
        took[which].push(performance.now() - before);
      }
    }
    const median = (list: number[]): number => list.toSorted((a, b) => a - b)[list.length >> 1]!;
    const [known, unknown] = [median(took.known), median(took.unknown)];
    const spread = median(took.unknown.map((ms) => Math.abs(ms - unknown)));
    console.info(
      `reset asked for: known ${known.toFixed(2)} ms, unknown ${unknown.toFixed(2)} ms ` +
        `(medians of 40, median deviation ${spread.toFixed(2)} ms)`,
    );
    expect(Math.abs(known - unknown)).toBeLessThan(Math.max(3 * spread, 2));
  });

  it('is not a way to fill a mailbox: three links are open at once', async () => {
    await until(async () => (await jobsLeft()) === 0);
    const [row] = await product.sql(
      `SELECT count(*)::int AS open FROM portcullis.password_resets WHERE user_id = $1 AND used_at IS NULL`,
      [adaId],
    );
    expect(row?.['open']).toBe(3);
  });
});

describe('a reset that an admin starts', () => {
  const start = (userId: string): Promise<Answered> =>
    product.ask('POST', `/orgs/${admin.organization.id}/members/${userId}/password-reset`, {
      token: admin.accessToken,
    });

  it('goes to the person alone, also where they belong to other organizations', async () => {
    const { token: invitation } = expectStatus(
      await product.post(
        `/orgs/${admin.organization.id}/invitations`,
        { email: gus.email, role: 'viewer' },
        { token: admin.accessToken },
      ),
      201,
    );
    const { name, password } = gus;
    const accepted = { token: invitation, name, password };
    const { user } = expectStatus(await product.post('/auth/invitations/accept', accepted), 201);
    const answer = expectStatus(await start(user.id), 201);
    expect(Object.keys(answer).sort()).toEqual(['expiresAt', 'sent']);
    expect(answer.sent).toBe(true);
    const mail = await server.waitFor((one) => one.to[0] === gus.email && linkIn(one) !== '');
    expect(mail.text).toContain(owner.name);
    expectStatus(await complete(linkIn(mail), SECOND), 200);
    await product.signIn({ ...gus, password: SECOND }, 'globex');
  });
});

describe('a change of the password', () => {
  it('is told to the person', async () => {
    const mei = { email: 'mei@acme.example', name: 'Mei', password: 'quiet river stone lantern 333' };
    await product.addMember(admin, mei, 'viewer');
    const { accessToken } = await product.signIn(mei);
    const body = { currentPassword: mei.password, newPassword: SECOND };
    expectStatus(await product.post('/auth/password', body, { token: accessToken }), 200);
    await server.waitFor((mail) => mail.to[0] === mei.email && mail.subject === 'Your password was changed');
  });
});

describe('an address that mail cannot reach', () => {
  const odd = { email: '"o d d"@acme.example', name: 'Odd', password: 'quiet river stone lantern 333' };

  it('keeps nobody from a new password: it is changed, and a link is shown to the admin', async () => {
    const id = await product.addMember(admin, odd, 'viewer');
    const { accessToken } = await product.signIn(odd);
    const body = { currentPassword: odd.password, newPassword: SECOND };
    expectStatus(await product.post('/auth/password', body, { token: accessToken }), 200);
    const path = `/orgs/${admin.organization.id}/members/${id}/password-reset`;
    const started = expectStatus(await product.ask('POST', path, { token: admin.accessToken }), 201);
    expect(started).toMatchObject({ sent: false, url: expect.stringContaining('#pcp_') });
  });
});

// The last, for of two products in one process only the newer knows its tokens.
describe('a wish for a link', () => {
  it('is looked up by a job, for every address, and not before it is answered', async () => {
    const idle = await startApp({ smtp: server.url, worker: false });
    for (const email of [owner.email, 'nobody@acme.example']) {
      expectStatus(await idle.post('/auth/password/reset', { email }), 202);
    }
    expect(await idle.sql('SELECT 1 FROM portcullis.password_resets')).toEqual([]);
    expect(await idle.sql(`SELECT 1 FROM pgboss.job WHERE name = 'password_reset'`)).toHaveLength(2);
    await idle.close();
  });
});
