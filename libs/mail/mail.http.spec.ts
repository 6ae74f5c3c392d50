import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database, type SystemTx } from '#database';
import type { Caller } from '#kernel';
import { Mail } from './index.ts';
import { type AppInProcess, mailFrom, owner, startApp, until } from '../../test/kit/app-in-process.ts';
import { type MailServer, startMailServer } from '../../test/kit/mail-server.ts';

let server: MailServer;
let app: AppInProcess;
let count = 0;

beforeAll(async () => {
  server = await startMailServer();
  app = await startApp({ smtp: server.url });
});
afterAll(async () => {
  await app.close();
  await server.close();
});

/** An invitation that no other spec sends. */
function invitation() {
  const to = `guest-${++count}@guests.example`;
  const url = `https://portcullis.example/invitations#pci_secret${count}`;
  const data = { organization: 'Acme', inviter: 'Olga Öwner', url, expiresAt: '2026-12-01T12:30:00Z' };
  return { template: 'invitation' as const, to, data };
}
const inTx = <T>(work: (tx: SystemTx) => Promise<T>): Promise<T> =>
  app.app.get(Database).acrossOrgs('manage_members', work);
const jobs = (where: string): Promise<Record<string, unknown>[]> =>
  app.sql(`SELECT id, state, output, source_output FROM pgboss.job WHERE ${where}`);
const mail = (): Mail => app.app.get(Mail);

describe('a message', () => {
  it('is sent when its transaction commits, as plain text that says what it is', async () => {
    const message = invitation();
    expect(await inTx((tx) => mail().send(tx, message))).toBe(true);
    const { to, from, subject, text, raw, parsed } = await server.waitFor((one) => one.to[0] === message.to);
    expect({ to, from, subject }).toEqual({
      to: [message.to],
      from: mailFrom.address,
      subject: 'Invitation to “Acme”',
    });
    expect(text).toContain(message.data.url);
    expect(text).toContain('1 December 2026 at 12:30 UTC');
    expect(parsed.html).toBeUndefined();
    expect(parsed.headers).toEqual(
      expect.arrayContaining([expect.objectContaining({ key: 'auto-submitted', value: 'auto-generated' })]),
    );
    expect(raw).not.toMatch(/^x-mailer/im);
  });

  it('is not sent where its transaction rolls back', async () => {
    const message = invitation();
    const failing = inTx(async (tx) => {
      await mail().send(tx, message);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    // What is added later goes out, so what was added before would have.
    const later = invitation();
    await inTx((tx) => mail().send(tx, later));
    await server.waitFor((one) => one.to[0] === later.to);
    expect(server.mails().filter((one) => one.to[0] === message.to)).toEqual([]);
    expect(await jobs(`name = 'mail' AND state < 'active'`)).toEqual([]);
  });

  it('commits with a change of an organization, by the role that sees only that', async () => {
    const message = invitation();
    const olga = await app.signIn(owner, 'acme');
    const caller = { kind: 'user', sessionId: olga.session.id, org: { id: olga.organization.id } } as Caller;
    await app.app.get(Database).inOrg(caller, (tx) => mail().send(tx, message));
    await server.waitFor((one) => one.to[0] === message.to);
  });

  it('takes no header and no recipient from a name, and shows the name', async () => {
    const message = invitation();
    message.data.organization = 'Äcme 李\r\nBcc: spy@evil.example\r\n\r\nHello';
    message.data.inviter = `Olga\nTo: spy@evil.example ${'ö'.repeat(300)}`;
    await inTx((tx) => mail().send(tx, message));
    const { to, subject, text, parsed, raw } = await server.waitFor((one) => one.to[0] === message.to);
    expect(to).toEqual([message.to]);
    expect(subject).toBe('Invitation to “Äcme 李 Bcc: spy@ evil. example Hello”');
    expect(text).toContain('“Olga To: spy@ evil. example ööö');
    expect(parsed.headers.map(({ key }) => key).toSorted()).toEqual([
      'auto-submitted',
      'content-transfer-encoding',
      'content-type',
      'date',
      'from',
      'message-id',
      'mime-version',
      'subject',
      'to',
      'x-auto-response-suppress',
    ]);
    for (const line of raw.split('\r\n')) expect(line.length).toBeLessThan(998);
  });

  it('does not go to an address that would be two, or a header', async () => {
    for (const to of ['a@x.example, b@x.example', 'a@x.example\r\nBcc: b@x.example', '<a@x.example>', 'a']) {
      expect(await inTx((tx) => mail().send(tx, { ...invitation(), to })), to).toBe(false);
    }
  });
});

describe('a mail server', () => {
  it('that refuses for now is asked again, and gets the mail once, under one Message-ID', async () => {
    const message = invitation();
    server.refuse(451, 1);
    const before = server.attempts();
    await inTx((tx) => mail().send(tx, message));
    await until(async () => server.attempts() > before);
    const [waiting] = await until(async () => {
      const found = await jobs(`name = 'mail' AND state = 'retry'`);
      return found.length > 0 && found;
    });
    expect(waiting).toMatchObject({ output: { code: 'smtp.EENVELOPE_451' } });
    // The database's clock is what the wait is measured by.
    await app.sql(`UPDATE pgboss.job SET start_after = now() WHERE state = 'retry'`);
    const id = String(waiting?.['id']);
    const { messageId } = await server.waitFor((one) => one.to[0] === message.to);
    expect(messageId).toBe(`<${id}@portcullis.example>`);
    await until(async () => (await jobs(`id = '${id}' AND state = 'completed'`)).length === 1);
    expect(server.mails().filter((one) => one.to[0] === message.to)).toHaveLength(1);
    expect(server.attempts() - before).toBe(2);
  });

  it('that knows no such recipient is not asked again: the job is a dead letter', async () => {
    const message = invitation();
    server.refuse(550, 1);
    const before = server.attempts();
    await inTx((tx) => mail().send(tx, message));
    const [dead] = await until(async () => {
      const found = await jobs(`name = 'mail.dead'`);
      return found.length > 0 && found;
    });
    expect(dead).toMatchObject({ state: 'created', source_output: { code: 'smtp.EENVELOPE_550' } });
    expect(server.attempts() - before).toBe(1);
  });
});

it('neither the database nor the log holds an address, a link or what a server said of them', async () => {
  const schemas = `table_schema IN ('pgboss')`;
  const tables = await app.sql(
    `SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables WHERE ${schemas}`,
  );
  expect(tables.length).toBeGreaterThan(8);
  let rows = 0;
  for (const { name } of tables) {
    for (const { row } of await app.sql(`SELECT t::text AS row FROM ${name} t`)) {
      rows += 1;
      expect(row).not.toMatch(/guest-|guests\.example|pci_secret|Olga|mailbox/);
    }
  }
  // Completed, refused and dead ones of the specs above.
  expect(rows).toBeGreaterThan(6);
  expect(app.log.join('')).toContain('smtp.EENVELOPE_550');
  expect(app.log.join('')).not.toMatch(/guest-|guests\.example|pci_secret/);
});

it('without a mail server nothing is sent, and whoever asks is told so', async () => {
  const silent = await startApp();
  try {
    const idle = silent.app.get(Mail);
    expect(idle.isConfigured).toBe(false);
    const sent = await silent.app
      .get(Database)
      .acrossOrgs('manage_members', (tx) => idle.send(tx, invitation()));
    expect(sent).toBe(false);
    expect(await silent.sql('SELECT id FROM pgboss.job')).toEqual([]);
  } finally {
    await silent.close();
  }
});
