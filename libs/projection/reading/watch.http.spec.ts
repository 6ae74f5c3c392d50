import { once } from 'node:events';
import { get as httpGet, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type AppInProcess,
  type Ask,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
  until,
} from '../../../test/kit/app-in-process.ts';
import { SurfaceInTest } from '../../../test/kit/surfaces.ts';

let product: AppInProcess;
let admin: SignedIn;
let portal: SurfaceInTest;
let made = 0;

beforeAll(async () => {
  product = await startApp();
  admin = await product.signIn(owner, 'acme');
  portal = await SurfaceInTest.make(product, admin);
});
beforeEach(async () => {
  made += 1;
  portal = await portal.sibling(`portal-${made}`);
});
afterAll(() => product.close());

const me = (): Ask => ({ token: admin.accessToken });

describe('the stream', () => {
  let origin = '';
  beforeAll(async () => {
    await product.app.listen(0, '127.0.0.1');
    origin = `http://127.0.0.1:${(product.app.getHttpServer().address() as AddressInfo).port}`;
  });

  interface Watched {
    // oxlint-disable-next-line typescript/no-explicit-any
    readonly events: { name: string; data: any }[];
    readonly over: Promise<void>;
    leave(): void;
  }

  async function watch(token: string, wait = 60): Promise<Watched> {
    const path = `${origin}/api/v1${portal.org}/projections/watch?wait=${wait}`;
    const request = httpGet(path, { agent: false, headers: { authorization: `Bearer ${token}` } });
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, 'text/event-stream']);
    const events: Watched['events'] = [];
    const over = (async () => {
      let text = '';
      for await (const chunk of answer.setEncoding('utf8')) {
        const parts = (text + String(chunk)).split('\n\n');
        text = parts.pop() ?? '';
        for (const part of parts) {
          const [name, data] = [/^event: (.*)$/m.exec(part)?.[1], /^data: (.*)$/m.exec(part)?.[1]];
          if (name !== undefined && data !== undefined) events.push({ name, data: JSON.parse(data) });
        }
      }
    })().catch(() => undefined);
    return { events, over, leave: () => request.destroy() };
  }
  const ours = ({ events }: Watched) =>
    events.filter(({ name, data }) => name === 'projection' && data.surfaceId === portal.id);

  it('shows every surface, then what changes, by a fact, by time and by deletion', async () => {
    const watched = await watch(admin.accessToken, 3_600);
    await until(async () => ours(watched).length === 1);
    expect(ours(watched)[0]!.data.verdict).toBe('blocked');
    // By the clock on the wall: with another one nothing is proven for a moment, and the stream ends.
    await portal.tellAll({ ttlSeconds: 5 });
    await until(async () => ours(watched).some(({ data }) => data.verdict === 'ready'));
    await until(async () => ours(watched).at(-1)!.data.verdict === 'blocked');
    expectStatus(await product.delete(`${portal.org}/surfaces/${portal.id}`, me()), 204);
    await until(async () =>
      watched.events.some(({ name, data }) => name === 'gone' && data.surfaceId === portal.id),
    );
    watched.leave();
    await watched.over;
  });

  it('ends at once with the session, and says nothing that happened after', async () => {
    const session = await product.signIn(owner, 'acme');
    const watched = await watch(session.accessToken);
    await until(async () => ours(watched).length === 1);
    expectStatus(
      await product.delete(`/orgs/${admin.organization.id}/sessions/${session.session.id}`, me()),
      204,
    );
    await portal.tellAll();
    await watched.over;
    expect(ours(watched)).toHaveLength(1);
    expect(watched.events.at(-1)).toEqual({ name: 'end', data: { reason: 'database.credential_ended' } });
  });

  it('ends when the role no longer lets its caller read', async () => {
    const person = { email: 'demoted@acme.example', name: 'Dee', password: 'correct horse battery staple 2' };
    const userId = await product.addMember(admin, person, 'viewer');
    const orgPath = `/orgs/${admin.organization.id}`;
    const role = { name: 'blind', permissions: ['org:read'] };
    const { id: roleId } = expectStatus(await product.post(`${orgPath}/roles`, role, me()), 201);
    const watched = await watch((await product.signIn(person, 'acme')).accessToken);
    await until(async () => ours(watched).length === 1);
    const change = { ...me(), body: { roleId } };
    expectStatus(await product.ask('PATCH', `${orgPath}/members/${userId}`, change), 200);
    await portal.tellAll();
    await watched.over;
    expect(ours(watched)).toHaveLength(1);
    expect(watched.events.at(-1)).toEqual({ name: 'end', data: { reason: 'over' } });
  });

  it('ends when its time is over', async () => {
    const watched = await watch(admin.accessToken, 0);
    await watched.over;
    expect(ours(watched)).toHaveLength(1);
    expect(watched.events.at(-1)).toEqual({ name: 'end', data: { reason: 'over' } });
  });

  it('is one of ten of its credential at most', async () => {
    const all = await Promise.all(Array.from({ length: 10 }, () => watch(admin.accessToken)));
    const refused = await fetch(`${origin}/api/v1${portal.org}/projections/watch`, {
      headers: { authorization: `Bearer ${admin.accessToken}` },
    });
    expect(refused.status).toBe(429);
    expect(((await refused.json()) as { code: string }).code).toBe('projection.too_many_watchers');
    for (const one of all) one.leave();
    await Promise.all(all.map(({ over }) => over));
    const again = await until(async () => {
      const answer = await fetch(`${origin}/api/v1${portal.org}/projections/watch?wait=0`, {
        headers: { authorization: `Bearer ${admin.accessToken}` },
      });
      await answer.text();
      return answer.status === 200 && answer;
    });
    expect(again.status).toBe(200);
  });
});
