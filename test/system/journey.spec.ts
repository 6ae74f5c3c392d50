import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { expectAnswer } from '../kit/client.ts';
import { type Rsyslog, rsyslogMissing, startRsyslog } from '../kit/rsyslog.ts';
import { type ExpectedLog, verifyExport } from './verify-export.ts';

/**
 * The main job, end to end, over real HTTP against the built product: set up, sign in, revoke, export. Three API
 * processes share one database; a real rsyslog takes the export in; the verifier shares no code with the server.
 * The steps build on one another and run in the order they stand here.
 */
if (rsyslogMissing) console.warn(`the part of the journey through rsyslog is skipped: ${rsyslogMissing}`);

interface SignedIn {
  accessToken: string;
  refreshToken: string;
  session: { id: string };
  user: { id: string };
  organization: { id: string; slug: string };
}

const owner = { email: 'olga@acme.example', name: 'Olga Öwner', password: 'correct horse battery staple 1' };
const tenantOwner = {
  email: 'tariq@globex.example',
  name: 'Tariq Ünsal',
  password: 'purple monkey dishwasher 22',
};
const member = { email: 'mei@globex.example', name: '李梅', password: 'quiet river stone lantern 333' };

describe('the journey from an empty directory to a proven export', () => {
  let first: Product;
  let replicas: Product[] = [];
  let rsyslog: Rsyslog | undefined;

  let platformOwner: SignedIn;
  let admin: SignedIn;
  let employee: SignedIn;
  const logs = new Map<string, ExpectedLog>();

  beforeAll(async () => {
    first = await startProduct();
    replicas = [first];
  });
  afterAll(async () => {
    await rsyslog?.stop();
    await disposeAll(replicas);
  });

  it('refuses everything but its health before it is set up', async () => {
    expectAnswer(await first.api.get('/health'), 200);
    const refused = [
      () => first.api.post('/auth/login', { email: owner.email, password: owner.password }),
      () => first.api.get('/auth/me'),
      () => first.api.get('/orgs'),
      () => first.api.post('/auth/refresh', { refreshToken: 'pcr_x' }),
    ];
    for (const call of refused) expectAnswer(await call(), 503, 'system.setup_needed');
  });

  it('is set up once, with the token that lies in the data directory', async () => {
    const token = await first.setupToken();
    const setup = { token, organization: { name: 'Acme', slug: 'acme' }, owner };
    expectAnswer(await first.api.post('/setup', { ...setup, token: `${token}x` }), 401);
    const body = expectAnswer(await first.api.post('/setup', setup), 201);
    expect(body).toMatchObject({
      organization: { name: 'Acme', slug: 'acme' },
      user: { email: owner.email },
    });
    expect((await first.api.post('/setup', setup)).status).toBeGreaterThanOrEqual(400);
    await expect(first.setupToken()).rejects.toThrow('ENOENT');
  });

  it('serves from three processes that share one database', async () => {
    replicas.push(await startProduct({ replicaOf: first }));
    replicas.push(await startProduct({ replicaOf: first }));
    for (const replica of replicas) expectAnswer(await replica.api.get('/health/ready'), 200);
  });

  it('signs the owner in to the tenant by default, and to the platform by name', async () => {
    const inTenant = await signIn(first, owner);
    expect(inTenant.organization.slug).toBe('acme');
    platformOwner = await signIn(first, owner, 'platform');
    expect(platformOwner.organization.slug).toBe('platform');
    expect(platformOwner.session.id).not.toBe(inTenant.session.id);
  });

  it('creates a second tenant, whose owner accepts an invitation', async () => {
    const created = await first.api.post(
      '/orgs',
      { name: 'Globex', slug: 'globex', owner: { email: tenantOwner.email, name: tenantOwner.name } },
      { token: platformOwner.accessToken },
    );
    const { organization, invitation } = expectAnswer(created, 201);
    expect(organization).toMatchObject({ name: 'Globex', slug: 'globex' });
    const acceptance = { token: invitation.token, name: tenantOwner.name, password: tenantOwner.password };
    expectAnswer(await first.api.post('/auth/invitations/accept', acceptance), 201);
    expect((await first.api.post('/auth/invitations/accept', acceptance)).status).toBeGreaterThanOrEqual(400);
    admin = await signIn(first, tenantOwner);
    expect(admin.organization).toMatchObject({ id: organization.id, slug: 'globex' });
  });

  it('creates a member, who must choose a password at the first sign-in', async () => {
    const created = await first.api.post(
      `/orgs/${admin.organization.id}/members`,
      { email: member.email, name: member.name, role: 'viewer' },
      { token: admin.accessToken },
    );
    const { password: oneTime } = expectAnswer<{ password: string }>(created, 201);
    const refused = await first.api.post('/auth/login', { email: member.email, password: oneTime });
    const { data } = expectAnswer(refused, 401, 'auth.password_change_required');
    employee = expectAnswer<SignedIn>(
      await first.api.post('/auth/password/change-required', {
        challengeId: data.challenge.id,
        newPassword: member.password,
      }),
      200,
    );
    const again = await first.api.post('/auth/login', { email: member.email, password: oneTime });
    expectAnswer(again, 401, 'auth.invalid_credentials');
    employee = await signIn(first, member);
    expect(employee.organization.slug).toBe('globex');
  });

  it('lets the member in on every replica, and only as far as the role goes', async () => {
    for (const replica of replicas) {
      const me = expectAnswer(await asEmployee(replica, '/auth/me'), 200);
      expect(me).toMatchObject({ session: { id: employee.session.id }, user: { email: member.email } });
      const denied = await asEmployee(replica, `/orgs/${admin.organization.id}/sessions`);
      expect(expectAnswer(denied, 403, 'access.denied').data).toMatchObject({ permission: 'session:read' });
      expectAnswer(await asEmployee(replica, `/orgs/${platformOwner.organization.id}/members`), 404);
    }
  });

  it('refuses the member on every replica once the admin revoked the session', async () => {
    for (let turn = 0; turn < 5; turn += 1) {
      await letEveryReplicaKnowTheSession();
      const revoked = await first.api.delete(
        `/orgs/${admin.organization.id}/sessions/${employee.session.id}`,
        { token: admin.accessToken },
      );
      expectAnswer(revoked, 204);
      const next = await Promise.all(replicas.map((replica) => asEmployee(replica, '/auth/me')));
      expect(next.map(({ status }) => status)).toEqual(replicas.map(() => 401));
      for (const replica of replicas) {
        const { refreshToken } = employee;
        expectAnswer(await replica.api.post('/auth/refresh', { refreshToken }), 401);
      }
      if (turn < 4) employee = await signIn(replicas[turn % replicas.length]!, member);
    }
  });

  it('leaves the sessions of others alone', async () => {
    for (const replica of replicas) {
      expectAnswer(await replica.api.get('/auth/me', { token: admin.accessToken }), 200);
    }
  });

  it('exports the log of both organizations, complete and the same however it is read', async () => {
    for (const { organization, token } of [
      { organization: platformOwner.organization, token: platformOwner.accessToken },
      { organization: admin.organization, token: admin.accessToken },
    ]) {
      const key = await exportKey(organization.id, token);
      const before = await readExport(organization.id, key, 7);
      const { treeSize, root } = before;
      expect(treeSize).toBeGreaterThan(5);
      logs.set(organization.id, { treeSize, root });
      exported.set(organization.id, before.lines);
      const again = await readExport(organization.id, key, 1000);
      expect(again.lines.slice(0, treeSize)).toEqual(before.lines);
    }
    expect(await problemsOf([...exported.values()].flat())).toEqual([]);
  });

  it('tells in the log what happened', async () => {
    const events = linesOf(admin.organization.id).map((line) => JSON.parse(line) as AuditLine);
    const revocations = events.filter(
      ({ outcome, target, actor }) =>
        outcome === 'success' && target.id === employee.session.id && actor.id === admin.user.id,
    );
    expect(revocations.map(({ action }) => action)).toHaveLength(1);
    expect(events.some(({ outcome, actor }) => outcome === 'denied' && actor.id === employee.user.id)).toBe(
      true,
    );
    const text = linesOf(admin.organization.id).join('\n');
    for (const secret of [member.password, tenantOwner.password, employee.refreshToken, admin.accessToken]) {
      expect(text.includes(secret)).toBe(false);
    }
  });

  it.skipIf(rsyslogMissing)('is proven from what rsyslog wrote', async () => {
    rsyslog = await startRsyslog();
    for (const page of pagesOf([...exported.values()].flat(), 10)) await rsyslog.ship(page);
    for (const [org, expected] of logs) {
      expect(await rsyslog.received(org)).toEqual(exported.get(org));
      const verdict = await verifyExport(rsyslog.fileOf(org), new Map([[org, expected]]));
      expect(verdict).toMatchObject({ ok: true, problems: [] });
      expect(verdict.orgs.get(org)).toMatchObject({
        lines: expected.treeSize,
        root: expected.root,
        erased: 0,
      });
    }
  });

  it('is not proven when one line is removed, edited or swapped', async () => {
    for (const [org, expected] of logs) {
      const lines = rsyslog ? await rsyslog.received(org) : linesOf(org);
      for (const at of [0, Math.floor(lines.length / 2), lines.length - 2]) {
        const line = lines[at]!;
        const tampered = {
          removed: lines.toSpliced(at, 1),
          edited: lines.with(at, line.replace(/"outcome":\s*"\w+"/, '"outcome":"failure"')),
          swapped: lines.with(at, lines[at + 1]!).with(at + 1, line),
        };
        expect(tampered.edited[at]).not.toBe(line);
        const found = {
          removed: await kindsOf(org, expected, tampered.removed),
          edited: await kindsOf(org, expected, tampered.edited),
          swapped: await kindsOf(org, expected, tampered.swapped),
        };
        expect(found).toEqual({
          removed: [`missing at ${at + 1}`, 'wrong root'],
          edited: [`altered at ${at + 1}`, 'wrong root'],
          swapped: [`reordered at ${at + 1}`, 'wrong root'],
        });
      }
      expect(await kindsOf(org, expected, lines.slice(0, -1))).toContain(`short at ${lines.length}`);
    }
  });

  it('stops with everything it started, replicas first', async () => {
    for (const replica of replicas.toReversed()) await replica.stop();
  });

  const exported = new Map<string, string[]>();
  const linesOf = (org: string): string[] => exported.get(org) ?? [];

  const asEmployee = (replica: Product, path: string) =>
    replica.api.get(path, { token: employee.accessToken });

  /** So that each holds the session in its cache, which is the hard case. */
  async function letEveryReplicaKnowTheSession(): Promise<void> {
    const answers = await Promise.all(replicas.map((replica) => asEmployee(replica, '/auth/me')));
    expect(answers.map(({ status }) => status)).toEqual(replicas.map(() => 200));
  }

  async function exportKey(orgId: string, token: string): Promise<string> {
    const request = { name: 'siem', permissions: ['audit:export'] };
    return expectAnswer<{ key: string }>(
      await first.api.post(`/orgs/${orgId}/api-keys`, request, { token }),
      201,
    ).key;
  }

  /** Reads from the start until the tree that the first page told of is complete. */
  async function readExport(orgId: string, token: string, limit: number) {
    const lines: string[] = [];
    let after = '0';
    let tree: { treeSize: number; root: string } | undefined;
    for (;;) {
      const page = await first.api.get(`/orgs/${orgId}/audit/export?after=${after}&limit=${limit}`, {
        token,
      });
      const text = expectAnswer<string>(page, 200);
      expect(page.headers.get('content-type')).toMatch(/^application\/x-ndjson\b/);
      const found = text.split('\n').slice(0, -1);
      expect(found.length).toBeLessThanOrEqual(limit);
      tree ??= {
        treeSize: Number(page.headers.get('x-audit-tree-size')),
        root: page.headers.get('x-audit-root') ?? '',
      };
      lines.push(...found);
      after = page.headers.get('x-audit-next') ?? '';
      expect(Number(after)).toBe(lines.length);
      if (lines.length >= tree.treeSize) return { lines: lines.slice(0, tree.treeSize), ...tree };
      expect(found.length, 'a page before the end is not empty').toBeGreaterThan(0);
    }
  }

  async function problemsOf(lines: string[]): Promise<unknown[]> {
    return (await verifyExport(lines, logs)).problems;
  }

  async function kindsOf(org: string, expected: ExpectedLog, lines: string[]): Promise<string[]> {
    const file = join(first.dataDir, '..', 'tampered.ndjson');
    await writeFile(file, lines.map((line) => `${line}\n`).join(''));
    const { ok, problems } = await verifyExport(file, new Map([[org, expected]]));
    expect(ok).toBe(false);
    return problems.map(({ kind, pos }) => (kind === 'wrong root' ? kind : `${kind} at ${pos}`));
  }
});

interface AuditLine {
  action: string;
  outcome: string;
  actor: { id: string };
  target: { id: string };
}

async function signIn(
  product: Product,
  { email, password }: { email: string; password: string },
  organization?: string,
): Promise<SignedIn> {
  const answer = await product.api.post('/auth/login', {
    email,
    password,
    ...(organization && { organization }),
  });
  const body = expectAnswer<SignedIn & Record<string, unknown>>(answer, 200);
  expect(body).toMatchObject({
    tokenType: 'Bearer',
    accessToken: expect.any(String),
    expiresIn: expect.any(Number),
  });
  expect(body.refreshToken).toMatch(/^pcr_/);
  return body;
}

function pagesOf<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, n) =>
    items.slice(n * size, (n + 1) * size),
  );
}
