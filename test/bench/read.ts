import { once } from 'node:events';
import { Deployment, owner, signIn } from './deployment.ts';
import { medianOf, type Plan, type Result } from './figures.ts';
import { cores, pidOf, program, start, stop } from './processes.ts';
import { generator, type Saturated, saturate } from './saturate.ts';

interface Target {
  readonly name: 'product' | 'nest' | 'fastify';
  readonly pid: number;
  readonly url: string;
}

/** Below this share of its core a server did not say how fast it can be: its CPU time per request does. */
const SATURATED = 0.85;

/** (a) The guarded read of the product against routes that guard nothing. */
export async function read({ rounds, seconds }: Plan): Promise<Result> {
  const { deployment, first } = await Deployment.start(cores.load, cores.server);
  const bare = await Promise.all([startBare('nest'), startBare('fastify')]);
  try {
    const orgId = (await signIn(first.client, owner)).organization.id;
    const path = `/api/v1/orgs/${orgId}`;
    const targets: Target[] = [
      { name: 'product', pid: first.pid, url: `http://127.0.0.1:${first.port}${path}` },
      ...bare.map(({ name, child, port }) => ({
        name,
        pid: pidOf(child),
        url: `http://127.0.0.1:${port}${path}`,
      })),
    ];
    const run = async (span: number): Promise<Record<Target['name'], Saturated>> => {
      const { accessToken } = await signIn(first.client, owner);
      const found: Partial<Record<Target['name'], Saturated>> = {};
      // Everybody reads the header, so everybody is sent one.
      for (const { name, pid, url } of targets) found[name] = await saturate(pid, url, span, accessToken);
      return found as Record<Target['name'], Saturated>;
    };
    await run(Math.min(3, seconds)); // so that the compiler has seen it
    const all: Record<Target['name'], Saturated>[] = [];
    for (let i = 0; i < rounds; i += 1) {
      targets.push(targets.shift() as Target); // nobody is always first
      all.push(await run(seconds));
    }
    return {
      name: 'read',
      title: `(a) Guarded read, one core, load by ${generator}`,
      figures: figures(all),
      rounds: all,
    };
  } finally {
    for (const { child } of bare) await stop(child);
    await deployment.stop();
  }
}

function figures(all: Record<Target['name'], Saturated>[]): Result['figures'] {
  const perSecond = (name: Target['name']): number => medianOf(all, (round) => round[name].perSecond);
  const cpu = (name: Target['name']): number => medianOf(all, (round) => round[name].cpuMicros);
  const ratio = medianOf(all, (round) => round.product.perSecond / round.nest.perSecond);
  const byCpu = medianOf(all, (round) => round.nest.cpuMicros / round.product.cpuMicros);
  const extra = medianOf(all, (round) => round.product.cpuMicros - round.nest.cpuMicros);
  const busy = (name: Target['name']): number => medianOf(all, (round) => round[name].busy);
  const shown = (name: Target['name']): string => `${Math.round(busy(name) * 100)} % busy`;
  // With time to spare it was the load generator, or other work on this machine, that set the pace.
  const saturated = busy('product') >= SATURATED && busy('nest') >= SATURATED;
  return [
    {
      what: `authenticated, live, scoped, permitted GET, ${shown('product')}`,
      value: perSecond('product'),
      unit: 'req/s',
      limit: { what: `bare Nest route, ${shown('nest')}`, value: perSecond('nest') },
      ratio,
      ...(saturated && { aim: { text: '>= 0.85', met: ratio >= 0.85 } }),
    },
    {
      what: 'the same',
      value: perSecond('product'),
      unit: 'req/s',
      limit: { what: `bare Fastify route, ${shown('fastify')}`, value: perSecond('fastify') },
      ratio: medianOf(all, (round) => round.product.perSecond / round.fastify.perSecond),
    },
    {
      what: 'CPU per request; ratio = limit / measured',
      value: cpu('product'),
      unit: 'us',
      limit: { what: 'bare Nest route', value: cpu('nest') },
      ratio: byCpu,
      aim: { text: '>= 0.85', met: byCpu >= 0.85 },
    },
    {
      what: 'CPU over the bare Nest route',
      value: extra,
      unit: 'us',
      limit: { what: 'bare Fastify route in all', value: cpu('fastify') },
      aim: { text: 'about 4', met: extra <= 4.5 },
    },
  ];
}

/** A server that guards nothing and answers the same. */
export async function startBare(
  name: 'nest' | 'fastify',
): Promise<{ name: typeof name; child: ReturnType<typeof start>; port: number }> {
  const child = start(cores.server, [process.execPath, program('bare-server'), name]);
  if (!child.stdout) throw new Error('no output to read the port from');
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { name, child, port: Number(line.toString()) };
}
