import { type Facts, type Policy, project } from '#projection';
import { type Answer, Client } from './client.ts';
import { Deployment, owner, type Replica, signIn } from './deployment.ts';
import { medianOf, percentile, type Plan, type Result } from './figures.ts';
import { cores, pidOf, stop } from './processes.ts';
import { type Saturated, saturate } from './saturate.ts';
import { startBare } from './read.ts';

const KINDS = ['rights', 'auth', 'runtime'] as const;
const DATA = {
  rights: { onboardingStatus: 'onboarded', rightsRevision: 'r1' },
  auth: { authMode: 'oidc', sessionHandoff: 'oidc_interactive', normalized: true, breakGlass: false },
  runtime: {
    materialized: true,
    sessionMaterialized: true,
    adminPosture: 'admin_capable',
    rightsRevision: 'r1',
  },
};
const DESIRED = {
  authMode: 'oidc',
  onboardingStatus: 'onboarded',
  sessionHandoff: 'oidc_interactive',
  adminPosture: 'admin_capable',
} as const;

interface Round {
  readonly verdicts: number;
  readonly copies: number;
  readonly read: number[];
  readonly bare: number[];
  readonly busy: Saturated;
  readonly bareBusy: Saturated;
}

/** (p) Verdicts computed, and one read over HTTP by one client and by 64, beside a bare Nest route. */
export async function projections({ rounds, seconds }: Plan): Promise<Result> {
  const { deployment, first } = await Deployment.start(cores.load, cores.server);
  const bare = await startBare('nest');
  try {
    const path = await readySurface(first);
    const bareClient = new Client(bare.port);
    const barePath = '/api/v1/orgs/x';
    const bareUrl = `http://127.0.0.1:${bare.port}${barePath}`;
    const all: Round[] = [];
    // The first round is for the compilers.
    for (let i = 0; i <= rounds; i += 1) {
      const { accessToken } = await signIn(first.client, owner);
      const round = {
        verdicts: perSecond(verdict(), seconds),
        copies: perSecond(copy(), seconds),
        read: await latencies(() => first.client.call('GET', path, accessToken), seconds),
        bare: await latencies(() => bareClient.call('GET', barePath, 'x'), seconds),
        busy: await saturate(first.pid, `http://127.0.0.1:${first.port}${path}`, seconds, accessToken),
        bareBusy: await saturate(pidOf(bare.child), bareUrl, seconds, accessToken),
      };
      if (i > 0) all.push(round);
    }
    return { name: 'projections', title: '(p) Verdicts and reading them', figures: figures(all), rounds: [] };
  } finally {
    await stop(bare.child);
    await deployment.stop();
  }
}

function figures(all: Round[]): Result['figures'] {
  const of = (pick: (round: Round) => number): number => medianOf(all, pick);
  return [
    {
      what: 'verdicts computed, one core',
      value: of(({ verdicts }) => verdicts),
      unit: '/s',
      limit: { what: 'the same answer copied, nothing judged', value: of(({ copies }) => copies) },
      ratio: of(({ verdicts, copies }) => verdicts / copies),
    },
    ...([50, 99] as const).map((p) => ({
      what: `one projection over HTTP, one client, p${p}`,
      value: of(({ read }) => percentile(read, p)),
      unit: 'ms',
      limit: { what: 'bare Nest route', value: of(({ bare }) => percentile(bare, p)) },
    })),
    {
      what: 'one projection over HTTP, 64 clients',
      value: of(({ busy }) => busy.perSecond),
      unit: 'req/s',
      limit: { what: 'bare Nest route', value: of(({ bareBusy }) => bareBusy.perSecond) },
      ratio: of(({ busy, bareBusy }) => busy.perSecond / bareBusy.perSecond),
    },
    { what: 'the same, p99', value: of(({ busy }) => busy.p99), unit: 'ms' },
  ];
}

/** A surface that every owner says is as desired. Answers the path of its projection. */
async function readySurface({ client }: Replica): Promise<string> {
  const { accessToken, organization } = await signIn(client, owner);
  const org = `/api/v1/orgs/${organization.id}`;
  const make = (path: string, body: object) =>
    client.expect<{ id: string; key: string }>(201, 'POST', `${org}${path}`, accessToken, body);
  const surface = await make('/surfaces', { key: 'portal', name: 'Portal', desired: DESIRED });
  for (const kind of KINDS) {
    const account = await make('/service-accounts', { name: kind });
    const permissions = ['fact:write'];
    const { key } = await make('/api-keys', { name: kind, serviceAccountId: account.id, permissions });
    await make('/authorities', { kind, name: kind, serviceAccountId: account.id });
    await client.expect(200, 'PUT', `${org}/surfaces/${surface.id}/facts/${kind}`, key, {
      revision: 1,
      observedAt: new Date().toISOString(),
      ttlSeconds: 86_400,
      data: { tenant: organization.id, ...DATA[kind] },
    });
  }
  return `${org}/projections/${surface.id}`;
}

async function latencies(ask: () => Promise<Answer>, seconds: number): Promise<number[]> {
  const took: number[] = [];
  for (const until = performance.now() + seconds * 1_000; performance.now() < until;) {
    const { status, ms } = await ask();
    if (status !== 200) throw new Error(`a read answered ${status}`);
    took.push(ms);
  }
  return took;
}

const now = Date.now();

function inputs(): { facts: Facts; policy: Policy } {
  const fact = (kind: keyof typeof DATA) => ({
    revision: 1,
    generation: 1,
    authorityId: kind,
    observedAt: now,
    receivedAt: now,
    ttlSeconds: 3_600,
    data: { tenant: 'bench', ...DATA[kind] },
    hasEvidence: true,
    inConflict: false,
  });
  return {
    facts: { rights: fact('rights'), auth: fact('auth'), runtime: fact('runtime') },
    policy: {
      generation: 1,
      desired: DESIRED,
      requireEvidence: false,
      tenants: ['bench'],
      owners: { rights: 'rights', auth: 'auth', runtime: 'runtime' },
    },
  };
}

function verdict(): () => unknown {
  const { facts, policy } = inputs();
  let at = now;
  return () => project(facts, policy, (at += 1) % 2 === 0 ? now : now + 1);
}

function copy(): () => unknown {
  const { facts, policy } = inputs();
  const answer = project(facts, policy, now);
  return () => ({ ...answer, conditions: answer.conditions.map((one) => ({ ...one })) });
}

function perSecond(work: () => unknown, seconds: number): number {
  let done = 0;
  const begun = performance.now();
  while (performance.now() - begun < seconds * 1_000) {
    for (let i = 0; i < 100; i += 1) work();
    done += 100;
  }
  return (done / (performance.now() - begun)) * 1_000;
}
