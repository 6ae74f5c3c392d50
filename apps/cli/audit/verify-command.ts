import {
  type Command,
  exitCode,
  type Options,
  textOf,
  textsOf,
  Unreachable,
  UsageError,
  wholeOf,
} from '../command.ts';
import { serverHelp, serverOf, serverOptions } from './export-command.ts';
import type { KnownRoot } from './log-check.ts';
import { provesConsistency } from './merkle.ts';
import { type Checkpoint, notesIn, openNote, readKeys, type VerifierKey } from './note.ts';
import { asJson, asText } from './report.ts';
import { type AuditServer, hashesOf, reasonOf, Refusal, textOfFile } from './server.ts';
import { bytesOf } from './source.ts';
import { type ExpectedLog, ExportCheck, type LogBeginning } from './verify-export.ts';

export const verifyCommand: Command = {
  name: 'audit verify',
  summary: 'prove that an exported audit log is complete and as it was signed',
  help: `usage: portcullis audit verify FILE... --checkpoint FILE --keys FILE [options]
       portcullis audit verify --url URL --org ID --key-file FILE [--keys FILE] [options]

Recomputes the hash of every event (format native) and of every personal value, looks for each position from the first
on, and compares the Merkle root with every checkpoint given: the newest says where the log ends, older ones that
nothing of it was rewritten since. Nothing is asked of a server in the first form, and nothing of it is trusted in the
second but its keys, unless you give them. Memory does not grow with the log.

FILE is an export, plain or gzip; several are read one after the other; - is the standard input.

  --checkpoint FILE  a signed checkpoint, or the history.ndjson of an anchor directory; may be given often
  --keys FILE|URL    the verifier keys, as /.well-known/audit-keys lists them
  --root ORG=SIZE:H  a root you know from elsewhere (hex) instead of a checkpoint; may be given often
  --unanchored       check only that the lines agree with one another: a cut tail or another history is not seen
  --ignore-tail      events beyond the newest checkpoint are counted and not judged
  --after POS        the files begin after this position; needs --proof where a root is to be checked
  --proof FILE       the answer of proofs/inclusion?pos=POS&size=POS
${serverHelp}  --json             the result as JSON

problems: missing, altered, reordered, duplicate, forked (another history than the one that was signed, or two events at
one position), chain broken, commitment mismatch, wrong root, short (the tail is cut), too long (events that no
checkpoint covers), unproven (a checkpoint that no line leads to, or that no key given has signed), unexpected
organization, malformed

exit codes: 0 proven, 1 not proven, 2 called wrongly, 3 something cannot be read or reached
`,
  options: {
    ...serverOptions,
    checkpoint: { type: 'string', multiple: true },
    keys: { type: 'string' },
    root: { type: 'string', multiple: true },
    unanchored: { type: 'boolean' },
    'ignore-tail': { type: 'boolean' },
    after: { type: 'string' },
    proof: { type: 'string' },
    json: { type: 'boolean' },
  },
  async run(options, files, { input, output }) {
    const named = await serverOf(options);
    if ((named === undefined) === (files.length === 0)) throw new UsageError('takes either files or --url');
    const after = wholeOf(options, 'after') ?? 0;
    const keys = await keysOf(options, named?.server);
    const { checkpoints, refused } = await checkpointsOf(options, keys, named?.server);
    const known = knownRoots(checkpoints, rootsOf(options));
    const isUnanchored = options['unanchored'] === true;
    if (known.size === 0 && refused.length === 0 && !isUnanchored) {
      throw new UsageError('there is nothing to hold it against: give --checkpoint and --keys, or --root');
    }
    const start = await startOf(options, after, named?.server);
    const { later, earlier } = apart(known, after);
    if (isUnanchored && named && !later.has(named.org)) later.set(named.org, []);
    const check = new ExportCheck(
      later.size === 0 && isUnanchored && !start ? undefined : expectedOf(later, start, options),
    );
    for (const detail of refused) check.problem('unproven', named?.org ?? '', undefined, detail);
    await proveEarlier(check, earlier, later, named?.server);
    if (named) {
      const end = later.get(named.org)?.at(-1)?.size;
      for await (const chunk of named.server.lines(after, end)) check.write(chunk);
    }
    for (const file of files) {
      for await (const chunk of bytesOf(file, input)) check.write(chunk);
      check.endFile();
    }
    const verdict = check.finish();
    output.write(options['json'] === true ? asJson(verdict) : asText(verdict, later.size > 0));
    return verdict.ok ? exitCode.done : exitCode.refuted;
  },
};

type Known = Map<string, KnownRoot[]>;

async function keysOf(options: Options, server: AuditServer | undefined): Promise<VerifierKey[]> {
  const from = textOf(options, 'keys');
  const text = from === undefined ? await server?.keys() : await textAt(from);
  try {
    return readKeys(text ?? '');
  } catch (error) {
    throw new UsageError(`--keys: ${reasonOf(error)}`);
  }
}

async function textAt(place: string): Promise<string> {
  if (!/^https?:\/\//.test(place)) return textOfFile(place);
  try {
    const answer = await fetch(place, { redirect: 'error', signal: AbortSignal.timeout(30_000) });
    if (answer.ok) return await answer.text();
    throw new Error(`answered ${answer.status}`);
  } catch (error) {
    throw new Unreachable(`${place} cannot be read: ${reasonOf(error)}`);
  }
}

/** Those that are signed, and of the others why they count for nothing. The server's newest is asked for first. */
async function checkpointsOf(
  options: Options,
  keys: readonly VerifierKey[],
  server: AuditServer | undefined,
): Promise<{ checkpoints: Checkpoint[]; refused: string[] }> {
  const checkpoints: Checkpoint[] = [];
  const refused: string[] = [];
  const open = (place: string, note: string): void => {
    try {
      checkpoints.push(openNote(note, keys));
    } catch (error) {
      refused.push(`${place} ${reasonOf(error)}`);
    }
  };
  try {
    if (server) open('the checkpoint of the server', await server.checkpoint());
  } catch (error) {
    // It signs nothing of a log that it has found to be altered: the lines are read all the same.
    if (!(error instanceof Refusal)) throw error;
    refused.push(error.message);
  }
  for (const place of textsOf(options, 'checkpoint')) {
    const text = await textOfFile(place);
    try {
      for (const note of notesIn(text)) open(place, note);
    } catch (error) {
      throw new UsageError(`--checkpoint ${place}: ${reasonOf(error)}`);
    }
  }
  return { checkpoints, refused };
}

function rootsOf(options: Options): (KnownRoot & { org: string })[] {
  return textsOf(options, 'root').map((text) => {
    const [, org, size, root] = /^(.+)=(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? [];
    if (org === undefined || root === undefined)
      throw new UsageError(`--root ${text} is not <org>=<size>:<root>`);
    return { org, size: Number(size), root };
  });
}

/** By organization, in order of size, each root once: two at one size stay, for one of them is a fork. */
function knownRoots(
  checkpoints: readonly Checkpoint[],
  roots: readonly (KnownRoot & { org: string })[],
): Known {
  const known: Known = new Map();
  for (const { org, size, root } of [...checkpoints, ...roots]) {
    const of = known.get(org) ?? [];
    if (!of.some((one) => one.size === size && one.root === root)) of.push({ size, root });
    known.set(
      org,
      of.toSorted((a, b) => a.size - b.size),
    );
  }
  return known;
}

interface Start extends LogBeginning {
  readonly org: string | undefined;
}

/** Where the lines begin: the proof of the position before is not trusted; the root it leads to is compared. */
async function startOf(
  options: Options,
  after: number,
  server: AuditServer | undefined,
): Promise<Start | undefined> {
  if (after === 0) return undefined;
  const file = textOf(options, 'proof');
  if (file === undefined && !server && options['unanchored'] !== true)
    throw new UsageError('--after needs --proof');
  const fromFile = file === undefined ? undefined : hashesOf(parsed(await textOfFile(file)));
  return {
    pos: after + 1,
    org: textOf(options, 'org'),
    proof: fromFile ?? (await server?.inclusion(after, after)),
  };
}

/** The roots that the lines lead to, and those of sizes before the first line. */
function apart(known: Known, after: number): { later: Known; earlier: Known } {
  const split = (is: (root: KnownRoot) => boolean): Known =>
    new Map(
      [...known]
        .map(([org, roots]): [string, KnownRoot[]] => [org, roots.filter(is)])
        .filter(([, roots]) => roots.length > 0),
    );
  return { later: split(({ size }) => size >= after), earlier: split(({ size }) => size < after) };
}

function expectedOf(later: Known, start: Start | undefined, options: Options): Map<string, ExpectedLog> {
  const ignoreTail = options['ignore-tail'] === true;
  const all: Known = new Map(later);
  if (start?.org !== undefined && !all.has(start.org)) all.set(start.org, []);
  if (start !== undefined && all.size !== 1)
    throw new UsageError('--after is about one log: name it by --org');
  return new Map(
    [...all].map(([org, roots]) => [org, { treeSize: roots.at(-1)?.size, roots, start, ignoreTail }]),
  );
}

/** Checkpoints from before the first line are held against the newest root by the server's proof. */
async function proveEarlier(
  check: ExportCheck,
  earlier: Known,
  later: Known,
  server: AuditServer | undefined,
): Promise<void> {
  for (const [org, roots] of earlier) {
    const newest = later.get(org)?.at(-1);
    for (const root of roots) {
      const proof = newest && server ? await server.consistency(root.size, newest.size) : undefined;
      const no = (detail: string): void =>
        check.problem(proof ? 'forked' : 'unproven', org, root.size, detail);
      if (!newest || !proof)
        no('this checkpoint is older than the first line: read from the beginning, or with --url');
      else if (!provesConsistency(root, newest, proof))
        no(`no proof leads from this checkpoint to the root at size ${newest.size}`);
    }
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
