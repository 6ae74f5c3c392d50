import pg from 'pg';
import { Deployment, invite, owner, type Person, type Replica, type SignedIn, signIn } from './deployment.ts';
import { medianOf, percentile, type Plan, type Result } from './figures.ts';
import type { OpenLoop, OpenLoopResult } from './open-loop.ts';
import { cores, runProgram } from './processes.ts';

const REPLICAS = 3;
/** On each replica, while sessions are ended. */
const READS_PER_SECOND = 100;

interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

interface Round {
  readonly three: Latency;
  readonly alone: Latency;
  readonly commit: Latency;
  /** Requests with an ended session, sent after its end was answered, that were not refused. Must be 0. */
  readonly letIn: number;
}

/** (c) How long ending a session takes until it holds on three processes, under light load. */
export async function revocation({ rounds, quick }: Plan): Promise<Result> {
  const count = quick ? 20 : Math.ceil(200 / rounds);
  const { deployment, first } = await Deployment.start(cores.both, cores.both);
  const all: Round[] = [];
  const every: Record<'three' | 'alone' | 'commit', number[]> = { three: [], alone: [], commit: [] };
  try {
    const people = await invite(first.client, 8);
    for (let i = 0; i < rounds; i += 1) {
      const alone = await end([first], people, count);
      const others: Replica[] = [];
      for (let n = 1; n < REPLICAS; n += 1) others.push(await deployment.replica(cores.both));
      const three = await end([first, ...others], people, count);
      for (const replica of others) await deployment.stopReplica(replica);
      const commit = await bareCommits(deployment.database.server.adminUrl, count);
      every.three.push(...three.took);
      every.alone.push(...alone.took);
      every.commit.push(...commit);
      all.push({
        three: latency(three.took),
        alone: latency(alone.took),
        commit: latency(commit),
        letIn: three.letIn + alone.letIn,
      });
    }
  } finally {
    await deployment.stop();
  }
  return {
    name: 'revocation',
    title: `(c) Ending a session, ${REPLICAS} processes, ${READS_PER_SECOND} reads a second on each`,
    figures: figures(latency(every.three), latency(every.alone), latency(every.commit), all),
    rounds: all,
  };
}

function figures(three: Latency, alone: Latency, commit: Latency, all: Round[]): Result['figures'] {
  const letIn = all.reduce((sum, round) => sum + round.letIn, 0);
  const beside = (what: 'p50' | 'p99' | 'max'): Result['figures'][number] => ({
    what: `${what}, three processes`,
    value: three[what],
    unit: 'ms',
    limit: { what: `${what} of one process`, value: alone[what] },
    ratio: three[what] / alone[what],
    ...(what === 'p99' && { aim: { text: '< 50 ms', met: three.p99 < 50 } }),
  });
  return [
    beside('p50'),
    beside('p99'),
    beside('max'),
    {
      what: 'p50, three processes',
      value: three.p50,
      unit: 'ms',
      limit: { what: 'p50 of a bare durable commit', value: commit.p50 },
      ratio: medianOf(all, (round) => round.three.p50 / round.commit.p50),
    },
    {
      what: 'not refused after the answer',
      value: letIn,
      unit: 'requests',
      aim: { text: '0', met: letIn === 0 },
    },
  ];
}

/** Ends `count` sessions that every replica knows, one after another, and tries each afterwards on every replica. */
async function end(
  replicas: readonly Replica[],
  people: readonly Person[],
  count: number,
): Promise<{ took: number[]; letIn: number }> {
  const [first] = replicas as [Replica];
  const doomed: SignedIn[] = [];
  while (doomed.length < count) {
    doomed.push(...(await Promise.all(people.map((person) => signIn(first.client, person)))));
  }
  const admin = await signIn(first.client, owner);
  const path = `/api/v1/orgs/${admin.organization.id}`;
  for (const { client } of replicas) {
    for (const { accessToken } of doomed) await client.expect(200, 'GET', path, accessToken);
  }
  const load: OpenLoop = {
    targets: replicas.map(({ port }) => ({ port, path, token: admin.accessToken })),
    perSecond: READS_PER_SECOND * replicas.length,
    seconds: 1 + count / 50,
  };
  const loaded = runProgram<OpenLoopResult>(cores.both, 'open-loop', load);
  const took: number[] = [];
  let letIn = 0;
  for (const { session, accessToken } of doomed.slice(0, count)) {
    const answer = await first.client.call('DELETE', `${path}/sessions/${session.id}`, admin.accessToken);
    if (answer.status !== 204) throw new Error(`ending a session answered ${answer.status}`);
    took.push(answer.ms);
    const tried = await Promise.all(replicas.map(({ client }) => client.call('GET', path, accessToken)));
    letIn += tried.filter(({ status }) => status !== 401).length;
  }
  if ((await loaded).refused > 0) throw new Error('the load beside was refused');
  return { took, letIn };
}

/** The least that any durable revocation costs: one row changed and committed. */
async function bareCommits(url: string, count: number): Promise<number[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('CREATE TABLE IF NOT EXISTS bench_commit (id int PRIMARY KEY, at timestamptz)');
    await client.query('INSERT INTO bench_commit VALUES (1, now()) ON CONFLICT DO NOTHING');
    const took: number[] = [];
    for (let i = 0; i < count; i += 1) {
      const begun = performance.now();
      await client.query('UPDATE bench_commit SET at = clock_timestamp() WHERE id = 1');
      took.push(performance.now() - begun);
    }
    return took;
  } finally {
    await client.end();
  }
}

function latency(took: readonly number[]): Latency {
  return { p50: percentile(took, 50), p99: percentile(took, 99), max: percentile(took, 100) };
}
