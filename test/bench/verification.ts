import { hash } from 'node:crypto';
import type { SystemTx } from '#database';
import { newId, SystemClock } from '#kernel';
import { ExportCheck } from '../../apps/cli/audit/verify-export.ts';
import { entry } from './export.ts';
import { medianOf, type Plan, type Result } from './figures.ts';
import { auditBy } from '../kit/audit.ts';

const CHUNK = 65_536;

interface Round {
  /** Per second of processor time, which other work on the machine does not change. */
  readonly perCpuSecond: number;
  readonly perSecond: number;
  readonly barePerCpuSecond: number;
}

/** (v) Verifying an export as `portcullis audit verify` does, on one core, against SHA-256 of the same bytes. */
export async function verification({ rounds, quick }: Plan): Promise<Result> {
  const count = quick ? 50_000 : 200_000;
  // First, while this process holds nothing else.
  const flat = memoryOf(quick ? 1_000_000 : 10_000_000);
  const bytes = await exportOf(count);
  const all: Round[] = [];
  // Once before, for what is measured is compiled code.
  verify(bytes);
  for (let i = 0; i < rounds; i += 1) {
    const [verified, bare] = [timed(() => verify(bytes)), timed(() => hashLines(bytes))];
    all.push({
      perCpuSecond: count / verified.cpu,
      perSecond: count / verified.wall,
      barePerCpuSecond: count / bare.cpu,
    });
  }
  const [value, bare] = [
    medianOf(all, (round) => round.perCpuSecond),
    medianOf(all, (round) => round.barePerCpuSecond),
  ];
  return {
    name: 'verification',
    title: `(v) Verification of ${count.toLocaleString('en-US')} events of ${Math.round(bytes.length / count)} bytes, one core`,
    figures: [
      {
        what: 'verified, by processor time',
        value,
        unit: 'events/s',
        limit: { what: 'bare SHA-256 of the same lines', value: bare },
        ratio: value / bare,
        aim: { text: '>= 150,000', met: value >= 150_000 },
      },
      { what: 'the same, by the clock', value: medianOf(all, (round) => round.perSecond), unit: 'events/s' },
      {
        what: `most memory in ${flat.count.toLocaleString('en-US')} events, resident`,
        value: flat.most,
        unit: 'MB',
        limit: { what: 'after the first tenth', value: flat.early },
        ratio: flat.most / flat.early,
        aim: { text: '<= 1.25', met: flat.most / flat.early <= 1.25 },
      },
    ],
    rounds: [{ flat }, ...all],
  };
}

function verify(bytes: Buffer): void {
  const check = new ExportCheck();
  for (let at = 0; at < bytes.length; at += CHUNK) check.write(bytes.subarray(at, at + CHUNK));
  if (!check.finish().ok) throw new Error('the export of the benchmark is not sound');
}

function hashLines(bytes: Buffer): void {
  for (let from = 0; from < bytes.length;) {
    const to = bytes.indexOf(0x0a, from) + 1;
    hash('sha256', bytes.subarray(from, to), 'hex');
    from = to;
  }
}

/** Seconds. */
function timed(work: () => void): { cpu: number; wall: number } {
  const [before, begun] = [process.cpuUsage(), performance.now()];
  work();
  const { user, system } = process.cpuUsage(before);
  return { cpu: (user + system) / 1e6, wall: (performance.now() - begun) / 1000 };
}

/** Events as the product seals them, in lines as it exports them. */
async function exportOf(count: number): Promise<Buffer> {
  const audit = auditBy(new SystemClock());
  const orgId = newId();
  const sealed: string[][] = [];
  const caught = {
    withNext: async (name: string, _sql: string, values: string[]) => {
      if (name === 'insert_audit_event') sealed.push(values);
    },
  } as unknown as SystemTx;
  for (let i = 0; i < count; i += 1) await audit.record(caught, entry(orgId, i));
  const lines: string[] = [];
  let prevHash = '0'.repeat(64);
  for (const [i, [, , leaf = '', personal = '']] of sealed.entries()) {
    const line = lineOf(leaf, i + 1, prevHash, personal);
    prevHash = line.hash;
    lines.push(line.text);
  }
  return Buffer.from(lines.join(''));
}

function lineOf(
  leaf: string,
  pos: number,
  prevHash: string,
  personal: string,
): { text: string; hash: string } {
  const leafHash = hash('sha256', Buffer.from(`\0${leaf}`));
  const place = `,"pos":${pos},"leafHash":"${leafHash}","prevHash":"${prevHash}","personal":${personal}}\n`;
  return { text: leaf.slice(0, -1) + place, hash: leafHash };
}

/** Resident memory in MB while a log of so many events, made as it is read, is verified. */
function memoryOf(count: number): { count: number; early: number; most: number } {
  const check = new ExportCheck();
  const seen: number[] = [];
  let prevHash = '0'.repeat(64);
  const orgId = newId();
  for (let pos = 1; pos <= count;) {
    const page: string[] = [];
    for (const end = Math.min(pos + 1_000, count + 1); pos < end; pos += 1) {
      const leaf = `{"action":"org.updated","commitments":{},"id":"e-${pos}","org":"${orgId}","outcome":"success","v":1}`;
      const line = lineOf(leaf, pos, prevHash, '{}');
      prevHash = line.hash;
      page.push(line.text);
    }
    check.write(Buffer.from(page.join('')));
    seen.push(process.memoryUsage.rss() / 1e6);
  }
  if (!check.finish().ok) throw new Error('the log of the benchmark is not sound');
  const tenth = Math.ceil(seen.length / 10);
  return { count, early: Math.max(...seen.slice(0, tenth)), most: Math.max(...seen.slice(tenth)) };
}
