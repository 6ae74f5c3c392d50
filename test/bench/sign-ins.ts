import { Deployment, invite, owner, type Replica, signIn } from './deployment.ts';
import { medianOf, type Plan, type Result } from './figures.ts';
import type { OpenLoop, OpenLoopResult } from './open-loop.ts';
import { canPin, type Cores, cores, runProgram } from './processes.ts';
import type { RawArgon2 } from './raw-argon2.ts';
import type { Flood, FloodResult } from './sign-in-flood.ts';

/** Fewer than the 64 that the product lets wait, so that none is turned away. */
const CONNECTIONS = 32;
const READS_PER_SECOND = 500;

interface Round {
  readonly raw: number;
  readonly vectors: number;
  readonly signIns: number;
  readonly alone: OpenLoopResult;
  readonly flooded: OpenLoopResult;
  /** Sign-ins a second while the reads went on. */
  readonly besides: number;
}

/** (b) Sign-ins against raw argon2id; and what a flood of them does to the guarded read. */
export async function signIns(plan: Plan): Promise<Result> {
  const pinned = await measure(plan, cores.server, 1);
  const whole = canPin ? await measure(plan, cores.both, 2) : undefined;
  const title = `(b) Sign-in, ${CONNECTIONS} connections; reads beside it at ${READS_PER_SECOND} a second`;
  return {
    name: 'sign-ins',
    title,
    figures: [...figures(pinned, 'one core'), ...(whole ? figures(whole, 'both cores') : [])],
    rounds: [{ oneCore: pinned }, { bothCores: whole }],
  };
}

async function measure({ rounds, seconds }: Plan, on: Cores, threads: number): Promise<Round[]> {
  const { deployment, first } = await Deployment.start(cores.load, on);
  try {
    const people = await invite(first.client, 8);
    const flood = (span: number): Promise<FloodResult> =>
      runProgram<FloodResult>(cores.load, 'sign-in-flood', {
        port: first.port,
        people,
        connections: CONNECTIONS,
        seconds: span,
      } satisfies Flood);
    await flood(1);
    const all: Round[] = [];
    for (let i = 0; i < rounds; i += 1) {
      const rawBy = (by: RawArgon2['by']): Promise<number> =>
        runProgram<number>(on, 'raw-argon2', { threads, seconds, by } satisfies RawArgon2);
      const raw = await rawBy('node');
      const vectors = await rawBy('vectors');
      const { perSecond, refused } = await flood(seconds);
      const alone = await reads(first, seconds);
      const [flooded, besides] = await Promise.all([reads(first, seconds), flood(seconds)]);
      if (refused + alone.refused + flooded.refused > 0) throw new Error('the product refused requests');
      all.push({ raw, vectors, signIns: perSecond, alone, flooded, besides: besides.perSecond });
    }
    return all;
  } finally {
    await deployment.stop();
  }
}

async function reads({ client, port }: Replica, seconds: number): Promise<OpenLoopResult> {
  const { accessToken: token, organization } = await signIn(client, owner);
  const argument: OpenLoop = {
    targets: [{ port, path: `/api/v1/orgs/${organization.id}`, token }],
    perSecond: READS_PER_SECOND,
    seconds,
  };
  return runProgram<OpenLoopResult>(cores.load, 'open-loop', argument);
}

function figures(all: Round[], where: string): Result['figures'] {
  const raw = medianOf(all, (round) => round.raw);
  const ratio = medianOf(all, (round) => round.signIns / round.raw);
  const alone = medianOf(all, (round) => round.alone.p99);
  const flooded = medianOf(all, (round) => round.flooded.p99);
  return [
    {
      what: `sign-ins, ${where}`,
      value: medianOf(all, (round) => round.signIns),
      unit: '/s',
      limit: { what: "raw argon2id, Node's", value: raw },
      ratio,
      aim: { text: '>= 0.9', met: ratio >= 0.9 },
    },
    {
      what: `sign-ins, ${where}`,
      value: medianOf(all, (round) => round.signIns),
      unit: '/s',
      limit: { what: 'raw argon2id, with vector instructions', value: medianOf(all, (r) => r.vectors) },
      ratio: medianOf(all, (round) => round.signIns / round.vectors),
    },
    {
      what: `sign-ins beside the reads, ${where}`,
      value: medianOf(all, (round) => round.besides),
      unit: '/s',
      limit: { what: "raw argon2id, Node's", value: raw },
      ratio: medianOf(all, (round) => round.besides / round.raw),
    },
    {
      what: `p99 of the read during a flood, ${where}`,
      value: flooded,
      unit: 'ms',
      limit: { what: 'the same read alone', value: alone },
      ratio: flooded / alone,
      aim: { text: '< 2', met: flooded / alone < 2 },
    },
    {
      what: `p50 of the read during a flood, ${where}`,
      value: medianOf(all, (round) => round.flooded.p50),
      unit: 'ms',
      limit: { what: 'the same read alone', value: medianOf(all, (round) => round.alone.p50) },
    },
  ];
}
