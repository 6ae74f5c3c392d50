import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { childEnvironment } from '#kernel';

/** This file runs from dist/test/bench. */
export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const TICKS_PER_SECOND = 100;

/** The server has the first core, whatever loads it the second; `both` where the work itself needs them. */
export const cores = { server: '0', load: '1', both: '0,1' } as const;
export type Cores = (typeof cores)[keyof typeof cores];

export const canPin = availableParallelism() >= 2 && spawnSync('taskset', ['--version']).status === 0;
export const hasWrk = spawnSync('wrk', ['--version']).error === undefined;

const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** Keeps this process, and what it starts from now on, on these cores. */
export function pinSelf(to: Cores): void {
  if (canPin) spawnSync('taskset', ['-a', '-c', '-p', to, String(process.pid)]);
}

export interface StartOptions {
  readonly env?: Record<string, string>;
  /** A file for what the child prints; where absent, its output can be read from the child. */
  readonly log?: string;
}

/** Starts a program on these cores. Only what the product needs of our environment goes along. */
export function start(on: Cores, command: readonly string[], options: StartOptions = {}): ChildProcess {
  const [executable = '', ...args] = canPin ? ['taskset', '-c', on, ...command] : command;
  const out = options.log === undefined ? 'pipe' : openSync(options.log, 'a');
  const child = spawn(executable, args, {
    cwd: ROOT,
    stdio: ['ignore', out, options.log === undefined ? 'inherit' : out],
    env: childEnvironment(options.env),
  });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

/** Runs one of the programs beside this file and answers the JSON it prints. */
export async function runProgram<T>(on: Cores, name: string, argument: unknown): Promise<T> {
  return JSON.parse(await output(on, [process.execPath, program(name), JSON.stringify(argument)])) as T;
}

export function program(name: string): string {
  return fileURLToPath(new URL(`./${name}.js`, import.meta.url));
}

/** What the command prints; throws unless it ends well. */
export async function output(on: Cores, command: readonly string[]): Promise<string> {
  const child = start(on, command);
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0)
    throw new Error(`${command.slice(0, 2).join(' ')} ended with ${code}: ${text.slice(-2000)}`);
  return text;
}

export async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  const killer = setTimeout(() => child.kill('SIGKILL'), 15_000);
  await ended;
  clearTimeout(killer);
}

/** Resolves when the URL answers 2xx; throws when the child ends before. */
export async function answers(child: ChildProcess, url: string, log?: string): Promise<void> {
  const until = performance.now() + 60_000;
  for (;;) {
    const ok = await fetch(url).then(
      (response) => response.body?.cancel().then(() => response.ok) ?? response.ok,
      () => false,
    );
    if (ok) return;
    if (child.exitCode !== null || performance.now() > until) {
      throw new Error(
        `${url} does not answer\n${log === undefined ? '' : readFileSync(log, 'utf8').slice(-3000)}`,
      );
    }
    await sleep(10);
  }
}

/** User and system time of a process so far, in seconds, all its threads included. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Resident and proportional memory of a process, in MB. */
export function memory(pid: number): { rss: number; pss: number } {
  const text = readFileSync(join('/proc', String(pid), 'smaps_rollup'), 'utf8');
  const read = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) / 1024;
  return { rss: read('Rss'), pss: read('Pss') };
}

export function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('the process did not start');
  return child.pid;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}
