import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomText, StartError } from '#kernel';

/** The right of one live process to use a data directory. */
export interface DirectoryLock {
  release(): void;
}

const FILE = 'app.lock';

/**
 * Takes the data directory for this process, or throws an Error that names the process which has it. The lock
 * is a file that names its holder, so a holder that died (kill -9, power loss) does not stand in the way.
 */
export function lockDirectory(directory: string): DirectoryLock {
  const file = join(directory, FILE);
  const mine = `${process.pid} ${startOf(process.pid) ?? '-'} ${randomText(6)}\n`;
  const draft = `${file}.${randomText(6)}`;
  writeFileSync(draft, mine, { mode: 0o600, flag: 'wx' });
  try {
    // link(2) makes the name together with its whole content, and fails where the name exists.
    while (!linked(draft, file)) {
      const seen = read(file);
      if (seen === undefined) continue;
      if (alive(seen)) throw new StartError(refusal(directory, seen));
      // Of two that find the same dead holder one may be late and grab the other's new lock: it puts that back.
      const grabbed = `${file}.${randomText(6)}`;
      if (!renamed(file, grabbed)) continue;
      const got = read(grabbed);
      if (got !== undefined && got !== seen) linked(grabbed, file);
      rmSync(grabbed, { force: true });
    }
  } finally {
    rmSync(draft, { force: true });
  }
  return {
    release: () => {
      if (read(file) === mine) rmSync(file, { force: true });
    },
  };
}

/** The live process that holds the directory, if one does. */
export function lockHolder(directory: string): number | undefined {
  const seen = read(join(directory, FILE));
  return seen !== undefined && alive(seen) ? Number(seen.split(' ')[0]) : undefined;
}

function refusal(directory: string, lock: string): string {
  const pid = lock.split(' ')[0];
  return (
    `the data directory ${directory} is in use by process ${pid}: one running Portcullis per data directory. ` +
    `Stop that process, or start this one with another PORTCULLIS_DATA_DIR.`
  );
}

function alive(lock: string): boolean {
  const [pid, start] = lock.trim().split(' ');
  const number = Number(pid);
  if (!Number.isSafeInteger(number) || number <= 0 || !processExists(number)) return false;
  // A number comes back: after a restart in a container everybody is pid 1. The start time tells them apart.
  const now = startOf(number);
  return now === undefined || start === '-' || now === start;
}

export function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** When a process started, in clock ticks since boot (proc(5), field 22 of stat); Linux only. */
function startOf(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`);
  // The second field is the program's name in parentheses, which may itself hold blanks and parentheses.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function linked(from: string, to: string): boolean {
  return unless('EEXIST', () => linkSync(from, to));
}

function renamed(from: string, to: string): boolean {
  return unless('ENOENT', () => renameSync(from, to));
}

function unless(code: string, action: () => void): boolean {
  try {
    action();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === code) return false;
    throw error;
  }
}
