import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
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

let product: AppInProcess;
let admin: SignedIn;
let port = 0;
let names = 0;

beforeAll(async () => {
  product = await startApp();
  admin = await product.signIn(owner, 'acme');
  await product.app.listen(0, '127.0.0.1');
  port = (product.app.getHttpServer().address() as AddressInfo).port;
});
afterAll(() => product.close());

const events = (query = '', who = admin): Promise<Answered> =>
  product.get(`/orgs/${who.organization.id}/events${query}`, { token: who.accessToken });
const read = async (query = '', who = admin) => expectStatus(await events(query, who), 200);
const head = async (): Promise<number> => (await read('?limit=1')).head as number;
const addRole = async (who = admin): Promise<string> => {
  names += 1;
  const body = { name: `role ${names}`, permissions: ['org:read'] };
  const path = `/orgs/${who.organization.id}/roles`;
  return expectStatus(await product.post(path, body, { token: who.accessToken }), 201).id;
};

describe('the log of events', () => {
  it('tells what happened, in order, and the same whenever it is read', async () => {
    const before = await head();
    const roles = [await addRole(), await addRole(), await addRole()];
    const list = await read(`?after=${before}`);
    expect(list.items.map(({ subject }: { subject: string }) => subject)).toEqual(
      roles.map((id) => `role/${id}`),
    );
    expect(list.items.map(({ sequence }: { sequence: string }) => Number(sequence))).toEqual([
      before + 1,
      before + 2,
      before + 3,
    ]);
    expect(list).toMatchObject({ next: before + 3, head: before + 3 });
    const pieces = [await read(`?after=${before}&limit=2`), await read(`?after=${before + 2}&limit=2`)];
    expect(pieces.flatMap(({ items }) => items as unknown[])).toEqual(list.items);
  });

  it('holds no personal data', async () => {
    await product.addMember(
      admin,
      { ...owner, email: 'percy@acme.example', name: 'Percy Personal' },
      'viewer',
    );
    const { items } = await read('?limit=1000');
    expect(items.length).toBeGreaterThan(3);
    expect(JSON.stringify(items)).not.toMatch(/percy|olga|127\.0\.0\.1|role 1"/i);
  });

  it('gives one type where asked, and says how far it has looked', async () => {
    await addRole();
    const { items, next, head: newest } = await read('?type=portcullis.organization.created');
    expect(items.map(({ type }: { type: string }) => type)).toEqual(['portcullis.organization.created']);
    expect(next).toBe(newest);
    expectStatus(await events('?type=no.such.type'), 400);
  });

  it('refuses a position that there is not', async () => {
    expectStatus(await events(`?after=${(await head()) + 1}`), 400, 'events.beyond_log');
  });

  it('shows one event, and what was published of it where', async () => {
    await addRole();
    const { items } = await read(`?after=${(await head()) - 1}`);
    const one = expectStatus(await events(`/${items[0].id}`), 200);
    expect(one).toEqual({ ...items[0], publications: [], refused: [] });
    const stranger = await product.signIn(owner, 'platform');
    expectStatus(await events(`/${items[0].id}`, stranger), 404, 'events.not_found');
  });
});

describe('a long poll', () => {
  it('answers when something happens', async () => {
    const before = await head();
    const polling = events(`?after=${before}&wait=20`);
    const id = await addRole();
    const { items } = expectStatus(await polling, 200);
    expect(items).toMatchObject([{ subject: `role/${id}` }]);
  });

  it('answers with nothing where nothing does', async () => {
    const before = await head();
    expect(await read(`?after=${before}&wait=1`)).toEqual({ items: [], next: before, head: before });
  });

  it('gives nothing more to who was signed out meanwhile', async () => {
    const member = await addAuditor('polly');
    const before = await head();
    const polling = events(`?after=${before}&wait=20`, member);
    expectStatus(await revoke(member), 204);
    const later = await addRole();
    const answer = await polling;
    // The revocation is an event too, and may have been read just before it had answered.
    if (answer.status === 200) expect(JSON.stringify(answer.body.items)).not.toContain(later);
    else expectStatus(answer, 401);
  });
});

describe('a stream', () => {
  it('sends what was, what comes, and goes on after the last event seen', async () => {
    const before = await head();
    const first = await addRole();
    const stream = await open(`?after=${before}`);
    await until(async () => stream.text.includes(`role/${first}`));
    const second = await addRole();
    await until(async () => stream.text.includes(`role/${second}`));
    expect(stream.text).toContain(`id: ${before + 1}\nevent: portcullis.role.created\ndata: {`);
    stream.close();
    const again = await open('', admin, { 'last-event-id': String(before + 1) });
    await until(async () => again.text.includes(`role/${second}`));
    expect(again.text).not.toContain(`role/${first}`);
    again.close();
  });

  it('ends when its session is revoked, before that has answered', async () => {
    const member = await addAuditor('strea');
    const stream = await open(`?after=${await head()}`, member);
    await until(async () => stream.text !== '');
    expectStatus(await revoke(member), 204);
    await addRole();
    await until(async () => stream.ended);
    expect(stream.text).not.toContain('data:');
  });

  it('ends when the role no longer lets its caller read', async () => {
    const member = await addAuditor('demot');
    const stream = await open(`?after=${await head()}`, member);
    await until(async () => stream.text !== '');
    const path = `/orgs/${admin.organization.id}/members/${member.user.id}`;
    const change = { token: admin.accessToken, body: { role: 'viewer' } };
    expectStatus(await product.ask('PATCH', path, change), 200);
    await addRole();
    await until(async () => stream.ended);
    expect(stream.text).not.toContain('data:');
    expectStatus(await events('', member), 403);
  });

  it('is one of so many', async () => {
    const member = await addAuditor('greed');
    const path = `?after=${await head()}`;
    const streams = await Promise.all(Array.from({ length: 10 }, () => open(path, member)));
    expectStatus(await events(`/stream${path}`, member), 429, 'events.too_many_streams');
    streams[0]!.close();
    const next = await until(async () => open(path, member).catch(() => undefined));
    for (const stream of [...streams, next]) stream.close();
  });
});

async function addAuditor(name: string): Promise<SignedIn> {
  const person = { email: `${name}@acme.example`, name, password: 'correct horse battery staple 2' };
  await product.addMember(admin, person, 'auditor');
  return product.signIn(person, 'acme');
}

function revoke(member: SignedIn): Promise<Answered> {
  const path = `/orgs/${admin.organization.id}/sessions/${member.session.id}`;
  return product.delete(path, { token: admin.accessToken });
}

interface Opened {
  text: string;
  ended: boolean;
  close(): void;
}

/** Rejects where the answer is not 200. */
async function open(query: string, who = admin, headers: Record<string, string> = {}): Promise<Opened> {
  const path = `/api/v1/orgs/${who.organization.id}/events/stream${query}`;
  const asking = httpRequest({
    port,
    path,
    headers: { ...headers, authorization: `Bearer ${who.accessToken}` },
  });
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    asking.once('response', resolve).once('error', reject).end();
  });
  if (answer.statusCode !== 200) {
    asking.destroy();
    throw new Error(`answered ${answer.statusCode}`);
  }
  const opened: Opened = { text: '', ended: false, close: () => void asking.destroy() };
  answer.setEncoding('utf8').on('data', (chunk: string) => (opened.text += chunk));
  answer.on('error', () => undefined).once('close', () => (opened.ended = true));
  asking.on('error', () => undefined);
  return opened;
}
