import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type AppInProcess,
  type Answered,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../test/kit/app-in-process.ts';

let product: AppInProcess;
let admin: SignedIn;
let key: { id: string; key: string };

beforeAll(async () => {
  product = await startApp();
  admin = await product.signIn(owner);
  key = await product.apiKey(admin, { permissions: ['audit:export'] });
});
afterAll(() => product.close());

const read = (query = ''): Promise<Answered> =>
  product.get(`/orgs/${admin.organization.id}/audit/export${query}`, { token: key.key });
const linesOf = (answer: Answered): string[] => answer.raw.toString('utf8').split('\n').slice(0, -1);

describe('personal data', () => {
  const marks = {
    email: 'marked.person@marker.example',
    name: 'Marked Name',
    ip: '203.0.113.77',
    agent: 'Marked-Agent/7',
    password: 'quiet river marked lantern 9',
  };
  let leaves: string[] = [];
  let lines: string[] = [];

  beforeAll(async () => {
    const ask = { ip: marks.ip, headers: { 'user-agent': marks.agent } };
    const orgId = admin.organization.id;
    const own = await product.signIn(owner, undefined, ask);
    const as = { ...ask, token: own.accessToken };
    const invited = expectStatus(
      await product.post(`/orgs/${orgId}/invitations`, { email: marks.email, role: 'viewer' }, as),
      201,
    );
    const { name, password } = marks;
    expectStatus(
      await product.post('/auth/invitations/accept', { token: invited.token, name, password }, ask),
      201,
    );
    const marked = await product.signIn(marks, undefined, ask);
    const token = marked.accessToken;
    expectStatus(await product.get(`/orgs/${orgId}/members`, { ...ask, token }), 403);
    expectStatus(await product.post('/auth/login', { email: marks.email, password: 'wrong' }, ask), 401);
    expectStatus(
      await product.post('/auth/login', { email: `x${marks.email}`, password: 'wrong' }, ask),
      401,
    );
    expectStatus(await product.post('/auth/refresh', { refreshToken: marked.refreshToken }, ask), 200);
    const thief = { ...ask, ip: '198.51.100.7' };
    expectStatus(await product.post('/auth/refresh', { refreshToken: marked.refreshToken }, thief), 401);
    const member = { email: 'b.marked.person@marker.example', name: marks.name, role: 'viewer' };
    const added = expectStatus(await product.post(`/orgs/${orgId}/members`, member, as), 201);
    const user = `/orgs/${orgId}/members/${added.user.id}`;
    expectStatus(await product.ask('PATCH', user, { ...as, body: { role: 'auditor' } }), 200);
    expectStatus(await product.delete(user, as), 204);
    const again = await product.signIn(marks, undefined, ask);
    expectStatus(await product.delete(`/orgs/${orgId}/sessions/${again.session.id}`, as), 204);
    const rows = await product.sql('SELECT leaf FROM portcullis.audit_events');
    leaves = rows.map((row) => String(row['leaf']));
    lines = linesOf(await read());
  });

  it('stands beside the leaf, never in it', () => {
    const text = leaves.join('\n');
    expect(leaves.length).toBeGreaterThan(20);
    for (const mark of ['marker.example', marks.name, marks.ip, marks.agent, owner.email, owner.name]) {
      expect(text.includes(mark), mark).toBe(false);
    }
    for (const secret of [marks.password, owner.password, 'pcr_', 'pck_', 'pci_', 'eyJ']) {
      expect(lines.join('\n').includes(secret), secret).toBe(false);
    }
  });

  it('is exported as long as it is there', () => {
    const text = lines.join('\n');
    for (const mark of [marks.email, marks.name, marks.ip, marks.agent]) expect(text).toContain(mark);
  });
});
