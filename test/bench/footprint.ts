import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { childEnvironment } from '#kernel';
import { Deployment, invite, owner, signIn } from './deployment.ts';
import { medianOf, type Plan, type Result } from './figures.ts';
import { cores, freePort, memory, ROOT, runProgram } from './processes.ts';
import { saturate } from './saturate.ts';
import type { Flood, FloodResult } from './sign-in-flood.ts';

interface Round {
  readonly firstStartMs: number;
  readonly startMs: number;
}

/** (f) How long `npm start` takes once built, and what the process of the product holds in memory. */
export async function footprint({ rounds, seconds }: Plan): Promise<Result> {
  const starts: Round[] = [];
  for (let i = 0; i < rounds; i += 1) {
    const dataDir = mkdtempSync(join(tmpdir(), 'portcullis-bench-'));
    chmodSync(dataDir, 0o711);
    const firstStartMs = await timeStart(dataDir);
    starts.push({ firstStartMs, startMs: await timeStart(dataDir) });
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 });
  }
  const { deployment, first } = await Deployment.start(cores.load, cores.server);
  try {
    await sleep(3_000);
    const idle = memory(first.pid);
    const people = await invite(first.client, 8);
    const flood: Flood = { port: first.port, people, connections: 32, seconds };
    await runProgram<FloodResult>(cores.load, 'sign-in-flood', flood);
    const { accessToken, organization } = await signIn(first.client, owner);
    const url = `http://127.0.0.1:${first.port}/api/v1/orgs/${organization.id}`;
    await saturate(first.pid, url, seconds, accessToken);
    const loaded = memory(first.pid);
    return {
      name: 'footprint',
      title: '(f) Cold start and memory of the server process',
      figures: figures(starts, idle, loaded),
      rounds: [...starts, { idle, loaded }],
    };
  } finally {
    await deployment.stop();
  }
}

type Memory = ReturnType<typeof memory>;

function figures(starts: Round[], idle: Memory, loaded: Memory): Result['figures'] {
  const cold = medianOf(starts, (round) => round.startMs);
  return [
    { what: 'npm start to ready', value: cold, unit: 'ms', aim: { text: '< 2000 ms', met: cold < 2_000 } },
    {
      what: 'the same on an empty directory (makes the cluster, migrates)',
      value: medianOf(starts, (round) => round.firstStartMs),
      unit: 'ms',
      aim: { text: '< 10000 ms', met: medianOf(starts, (round) => round.firstStartMs) < 10_000 },
    },
    {
      what: 'memory idle, resident',
      value: idle.rss,
      unit: 'MB',
      aim: { text: '< 160 MB', met: idle.rss < 160 },
    },
    { what: 'memory idle, proportional', value: idle.pss, unit: 'MB' },
    { what: 'memory after sign-ins and reads, resident', value: loaded.rss, unit: 'MB' },
    { what: 'memory after sign-ins and reads, proportional', value: loaded.pss, unit: 'MB' },
  ];
}

/** From the command to the first answer; then stops it, as Ctrl-C does, and waits until all of it is gone. */
async function timeStart(dataDir: string): Promise<number> {
  const port = await freePort();
  const begun = performance.now();
  const child = spawn('npm', ['start', '--silent'], {
    cwd: ROOT,
    detached: true, // a group of its own, to stop npm and what it started together
    stdio: 'ignore',
    env: childEnvironment({ PORT: String(port), PORTCULLIS_DATA_DIR: dataDir }),
  });
  const ended = once(child, 'exit');
  try {
    // Before the set-up nothing but its health answers.
    const url = `http://127.0.0.1:${port}/health`;
    const until = begun + 60_000;
    for (;;) {
      const ok = await fetch(url).then(
        async (response) => (await response.text(), response.ok),
        () => false,
      );
      if (ok) return performance.now() - begun;
      if (child.exitCode !== null || performance.now() > until)
        throw new Error('npm start did not get ready');
      await sleep(5);
    }
  } finally {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGTERM');
    await ended;
    for (let turn = 0; turn < 500 && existsSync(join(dataDir, 'postgres', 'postmaster.pid')); turn += 1)
      await sleep(20);
  }
}
