import { fileURLToPath } from 'node:url';
import { cores, cpuSeconds, hasWrk, output } from './processes.ts';

/** What a server did under as much load as it takes. */
export interface Saturated {
  readonly perSecond: number;
  /** The server's own user and system time for one request. */
  readonly cpuMicros: number;
  /** How busy the server was; well below 1 means that the load generator was the slower of the two. */
  readonly busy: number;
  readonly p99: number;
}

const CONNECTIONS = 64;
export const generator = hasWrk ? 'wrk' : 'autocannon';

/** Asks one URL over and over on 64 connections, from the other core. Every answer must be 2xx. */
export async function saturate(
  pid: number,
  url: string,
  seconds: number,
  token?: string,
): Promise<Saturated> {
  const before = cpuSeconds(pid);
  const { total, took, p99 } = hasWrk
    ? await wrk(url, seconds, token)
    : await autocannon(url, seconds, token);
  const cpu = cpuSeconds(pid) - before;
  return { perSecond: total / took, cpuMicros: (cpu / total) * 1e6, busy: cpu / took, p99 };
}

interface Answered {
  readonly total: number;
  readonly took: number;
  readonly p99: number;
}

async function wrk(url: string, seconds: number, token?: string): Promise<Answered> {
  const header = token === undefined ? [] : ['-H', `authorization: Bearer ${token}`];
  const command = ['wrk', '-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '--latency', ...header, url];
  const text = await output(cores.load, command);
  const failed = /Non-2xx.*|Socket errors: (?!connect 0, read 0, write 0, timeout 0).*/.exec(text);
  if (failed) throw new Error(`${url}: ${failed[0]}`);
  const [, total, took] = /(\d+) requests in ([\d.]+)s/.exec(text) ?? [];
  const [, p99, unit] = /99%\s+([\d.]+)(us|ms|s)/.exec(text) ?? [];
  const scale = { us: 0.001, ms: 1, s: 1000 }[unit ?? ''] ?? NaN;
  return { total: Number(total), took: Number(took), p99: Number(p99) * scale };
}

async function autocannon(url: string, seconds: number, token?: string): Promise<Answered> {
  const text = await output(cores.load, [
    process.execPath,
    fileURLToPath(import.meta.resolve('autocannon')),
    '-c',
    String(CONNECTIONS),
    '-d',
    String(seconds),
    '--json',
    '--no-progress',
    ...(token === undefined ? [] : ['-H', `authorization=Bearer ${token}`]),
    url,
  ]);
  const result = JSON.parse(text.slice(text.indexOf('{'))) as {
    requests: { total: number };
    latency: { p99: number };
    duration: number;
    errors: number;
    non2xx: number;
  };
  if (result.errors + result.non2xx > 0)
    throw new Error(`${url}: ${result.non2xx} refused, ${result.errors} failed`);
  return { total: result.requests.total, took: result.duration, p99: result.latency.p99 };
}
