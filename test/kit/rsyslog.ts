import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * A real rsyslogd as a private process, configured as a site would take in our audit export: a puller appends the
 * NDJSON it reads to a spool file, `imfile` follows that file (it keeps its place over restarts and is slowed
 * rather than made to drop when a queue is full), and each message is written back as it came to one file per
 * organization. Nothing listens on any network.
 */
export interface Rsyslog {
  /** Appends lines to the spool file, as a puller does with each page of the export. */
  ship(lines: readonly string[]): Promise<void>;
  /** Everything rsyslog wrote for this organization, once it has written all that was shipped. */
  received(org: string): Promise<string[]>;
  /** The file it writes for this organization. */
  fileOf(org: string): string;
  stop(): Promise<void>;
}

const rsyslogd = ['/usr/sbin/rsyslogd', '/usr/local/sbin/rsyslogd', '/sbin/rsyslogd'].find((path) =>
  existsSync(path),
);

/** Why there can be no rsyslogd here, for the message of a skipped test; undefined where there can. */
export const rsyslogMissing =
  rsyslogd === undefined ? 'rsyslogd is not installed (Debian: apt-get install rsyslog)' : undefined;

const configuration = (
  dir: string,
): string => `# How to take the audit export in without losing or changing a byte.
global(
  workDirectory="${dir}/work"                     # where imfile keeps its place
  maxMessageSize="1m"                             # the default of 8k would cut long events in two
  parser.escapeControlCharactersOnReceive="off"   # the default rewrites what it takes for control characters
)
module(load="imfile")
module(load="mmjsonparse")
main_queue(queue.type="LinkedList" queue.filename="main" queue.saveOnShutdown="on" queue.timeoutEnqueue="60000")

template(name="asItCame" type="string" string="%msg%\\n")
template(name="perOrganization" type="string" string="${dir}/out/%$!org:::secpath-replace%.ndjson")

input(type="imfile" file="${dir}/spool/export.ndjson" tag="portcullis:" ruleset="audit")

ruleset(name="audit") {
  action(type="mmjsonparse" cookie="")
  if $parsesuccess == "OK" and $!org != "" then {
    action(type="omfile" dynaFile="perOrganization" template="asItCame" fileCreateMode="0600")
  } else {
    action(type="omfile" file="${dir}/out/unreadable" template="asItCame" fileCreateMode="0600")
  }
}
`;

export async function startRsyslog(): Promise<Rsyslog> {
  if (rsyslogd === undefined) throw new Error(rsyslogMissing);
  const dir = await mkdtemp(join(tmpdir(), 'portcullis-rsyslog-'));
  const spool = join(dir, 'spool', 'export.ndjson');
  const out = join(dir, 'out');
  for (const name of ['work', 'spool', 'out']) await mkdir(join(dir, name));
  await writeFile(spool, '');
  await writeFile(join(dir, 'rsyslog.conf'), configuration(dir));

  const child = spawn(rsyslogd, ['-n', '-f', join(dir, 'rsyslog.conf'), '-i', join(dir, 'pid')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += String(data)));
  const running = (): void => {
    if (child.exitCode !== null) throw new Error(`rsyslogd ended with ${child.exitCode}: ${said}`);
  };
  await until(() => (running(), existsSync(join(dir, 'pid'))), 'rsyslogd did not start');

  let shipped = 0;
  const written = async (): Promise<number> => {
    running();
    const files = await readdir(out);
    const counts = await Promise.all(
      files.map(async (file) => linesIn(await readFile(join(out, file))).length),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  };
  const fileOf = (org: string): string => join(out, `${org}.ndjson`);
  return {
    fileOf,
    async ship(lines) {
      const wrong = lines.find((line) => line === '' || /[\n\0]/.test(line));
      if (wrong !== undefined) throw new Error(`not one line of JSON: ${JSON.stringify(wrong)}`);
      await appendFile(spool, lines.map((line) => `${line}\n`).join(''), { flush: true });
      shipped += lines.length;
    },
    async received(org) {
      await until(
        async () => (await written()) >= shipped,
        async () => `rsyslogd wrote ${await written()} of ${shipped} lines: ${said}`,
      );
      return existsSync(fileOf(org)) ? linesIn(await readFile(fileOf(org))) : [];
    },
    async stop() {
      await end(child);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function linesIn(bytes: Buffer): string[] {
  const lines = bytes.toString('utf8').split('\n');
  lines.pop(); // what stands after the last line feed is no line yet
  return lines;
}

async function until(
  condition: () => boolean | Promise<boolean>,
  failure: string | (() => Promise<string>),
): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(typeof failure === 'string' ? failure : await failure());
    await sleep(50);
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await exited;
  clearTimeout(late);
}
