import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** One process as /proc shows it. `started` tells it from a later process with the same pid. */
export interface Seen {
  pid: number;
  parent: number;
  group: number;
  started: string;
  command: string;
  /** The working directory; that of a PostgreSQL process is its data directory. */
  cwd: string;
}

/** Every process that runs now; empty where there is no /proc. */
export function runningProcesses(): Seen[] {
  let pids: string[];
  try {
    pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
  return pids.flatMap((pid) => processOf(Number(pid)) ?? []);
}

function processOf(pid: number): Seen | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the name in parentheses and may hold anything; the third is the state.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined; // dead, only not yet reaped
    return {
      pid,
      parent: Number(fields[1]),
      group: Number(fields[2]),
      started: fields[19] ?? '',
      command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim(),
      cwd: readlink(`/proc/${pid}/cwd`),
    };
  } catch {
    return undefined; // it ended while we looked
  }
}

function readlink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** The process and everything below it. */
export function treeOf(pid: number, all = runningProcesses()): Seen[] {
  const own = all.filter((one) => one.pid === pid);
  const below = all.filter((one) => one.parent === pid && one.pid !== pid);
  return [...own, ...below.flatMap((one) => treeOf(one.pid, all))];
}
