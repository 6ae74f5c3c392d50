/**
 * Verifies an audit export (format `native`) without trusting, or sharing a line of code with, the server that
 * wrote it: only Node's own modules, its own canonical JSON (RFC 8785), its own Merkle tree (RFC 6962). Memory
 * does not grow with the log. Also a command:
 *
 *   node test/system/verify-export.ts export.ndjson [<org>=<treeSize>:<root>[:<prunedUpTo>:<hash>,<hash>...] ...]
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

export type ProblemKind =
  | 'malformed'
  | 'missing'
  | 'altered'
  | 'reordered'
  | 'duplicate'
  | 'chain broken'
  | 'commitment mismatch'
  | 'wrong root'
  | 'short'
  | 'too long'
  | 'unexpected organization';

export interface Problem {
  kind: ProblemKind;
  /** Empty where the line is so broken that it names none. */
  org: string;
  /** The position in the organization's log; undefined where the line tells none. */
  pos: number | undefined;
  detail: string;
}

/** What is known of one organization's log from elsewhere: a signed checkpoint, or the headers of the export. */
export interface ExpectedLog {
  treeSize?: number;
  root?: string;
  /**
   * Where the lines begin, for one that continues an earlier reading, or a log whose beginning was pruned. A root can
   * be checked then only with `prefix`: the roots (hex) of the complete subtrees that the positions before `pos` make,
   * left to right, as the server or whoever kept them says them. They need no trust: with other ones, the root differs.
   */
  start?: { pos: number; prevHash?: string; prefix?: readonly string[] };
}

export interface VerifiedLog {
  lines: number;
  lastPos: number;
  /** The leafHash that a continued reading must find as its first prevHash. */
  lastHash: string;
  root: string;
  /** Personal values that are gone. Erasing is lawful, so it is counted and not a problem. */
  erased: number;
}

export interface Verdict {
  ok: boolean;
  problemCount: number;
  /** The first thousand. */
  problems: Problem[];
  orgs: Map<string, VerifiedLog>;
}

const HASH = /^[0-9a-f]{64}$/;
const NO_HASH = '0'.repeat(64);
const KEPT_PROBLEMS = 1000;
const KEPT_GAPS = 1000;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const LONGEST_LINE = 16 * 1024 * 1024;

/** Bytes are cut at line feeds; a string is one line. */
type Chunk = Uint8Array | string;
type Chunks = Iterable<Chunk> | AsyncIterable<Chunk>;

/** Verifies the lines of a file or of chunks of it. Give `expected` to have tails and roots checked. */
export async function verifyExport(
  source: string | Chunks,
  expected?: ReadonlyMap<string, ExpectedLog>,
): Promise<Verdict> {
  const check = new ExportCheck(expected);
  for await (const line of linesOf(typeof source === 'string' ? createReadStream(source) : source))
    check.line(line);
  return check.finish();
}

async function* linesOf(chunks: Chunks): AsyncGenerator<Uint8Array> {
  let rest = Buffer.alloc(0);
  for await (const chunk of chunks) {
    if (typeof chunk === 'string') {
      yield Buffer.from(chunk);
      continue;
    }
    const text = Buffer.concat([rest, chunk]);
    let from = 0;
    for (let end = text.indexOf(0x0a); end !== -1; end = text.indexOf(0x0a, from)) {
      yield text.subarray(from, end);
      from = end + 1;
    }
    rest = text.subarray(from);
    if (rest.length > LONGEST_LINE) throw new Error('a line is longer than 16 MiB');
  }
  if (rest.length > 0) yield rest;
}

interface LogState extends VerifiedLog {
  next: number;
  tree: MerkleTree;
  /** Positions passed over and not seen since: [first, last]. */
  gaps: [first: number, last: number][];
}

class ExportCheck {
  private readonly logs = new Map<string, LogState>();
  private readonly problems: Problem[] = [];
  private problemCount = 0;
  private lineNumber = 0;

  private readonly expected: ReadonlyMap<string, ExpectedLog> | undefined;

  // Spelled out, for Node runs this file as it is and only strips types.
  constructor(expected: ReadonlyMap<string, ExpectedLog> | undefined) {
    this.expected = expected;
    for (const [org, { root, start }] of expected ?? []) {
      if (root !== undefined && start !== undefined && start.pos !== 1 && start.prefix === undefined) {
        throw new Error('a root can be checked only from position 1 on, or with the prefix before it');
      }
      this.logs.set(org, newLog(start));
    }
  }

  line(bytes: Uint8Array): void {
    this.lineNumber += 1;
    let event: AuditEvent;
    try {
      event = readEvent(bytes);
    } catch (error) {
      this.report('malformed', '', undefined, `line ${this.lineNumber}: ${messageOf(error)}`);
      return;
    }
    const { org, pos, leafHash, prevHash, personal, core } = event;
    let log = this.logs.get(org);
    if (log === undefined) {
      if (this.expected !== undefined)
        this.report('unexpected organization', org, pos, 'no log of it was expected');
      log = newLog(undefined);
      this.logs.set(org, log);
    }
    log.lines += 1;

    const recomputed = sha256(Buffer.from([0]), Buffer.from(canonicalJson(core)));
    if (recomputed.toString('hex') !== leafHash) {
      this.report(
        'altered',
        org,
        pos,
        `its hash is ${recomputed.toString('hex')} and not leafHash ${leafHash}`,
      );
    }
    log.tree.append(recomputed);
    log.erased += this.checkPersonal(org, pos, core['commitments'], personal);
    this.checkPlace(log, org, pos, leafHash, prevHash);
  }

  private checkPlace(log: LogState, org: string, pos: number, leafHash: string, prevHash: string): void {
    if (pos < log.next) {
      const late = takeFromGap(log, pos);
      this.report(late ? 'reordered' : 'duplicate', org, pos, `stands after position ${log.next - 1}`);
      return;
    }
    if (pos > log.next) {
      if (log.gaps.length < KEPT_GAPS) log.gaps.push([log.next, pos - 1]);
      else this.report('missing', org, log.next, `positions ${log.next} to ${pos - 1} are not here`);
    } else if (log.lastHash !== '' && prevHash !== log.lastHash) {
      this.report('chain broken', org, pos, `prevHash is ${prevHash}, the line before has ${log.lastHash}`);
    }
    log.next = pos + 1;
    log.lastPos = pos;
    log.lastHash = leafHash;
  }

  /** Returns how many values are erased. */
  private checkPersonal(
    org: string,
    pos: number,
    commitments: unknown,
    personal: Record<string, unknown>,
  ): number {
    const report = (path: string, detail: string): void =>
      this.report('commitment mismatch', org, pos, `${path} ${detail}`);
    if (!isObject(commitments)) {
      report('commitments', 'is not an object');
      return 0;
    }
    let erased = 0;
    for (const path of new Set([...Object.keys(commitments), ...Object.keys(personal)])) {
      if (!Object.hasOwn(commitments, path)) report(path, 'stands in personal without a commitment');
      else if (!Object.hasOwn(personal, path)) report(path, 'has a commitment and is not in personal');
      else if (personal[path] === 'erased') erased += 1;
      else if (commitmentOf(personal[path]) !== commitments[path])
        report(path, 'is not what was committed to');
    }
    return erased;
  }

  finish(): Verdict {
    for (const [org, log] of this.logs) {
      for (const [first, last] of log.gaps) {
        const which = first === last ? `position ${first} is` : `positions ${first} to ${last} are`;
        this.report('missing', org, first, `${which} not here`);
      }
      log.root = log.tree.root();
      this.checkEnd(org, log);
    }
    const orgs = new Map<string, VerifiedLog>();
    for (const [org, { lines, lastPos, lastHash, root, erased }] of this.logs) {
      orgs.set(org, { lines, lastPos, lastHash, root, erased });
    }
    return { ok: this.problemCount === 0, problemCount: this.problemCount, problems: this.problems, orgs };
  }

  private checkEnd(org: string, log: LogState): void {
    const { treeSize, root } = this.expected?.get(org) ?? {};
    if (treeSize !== undefined && log.lastPos < treeSize) {
      this.report('short', org, log.lastPos + 1, `ends at position ${log.lastPos}, the tree has ${treeSize}`);
    }
    if (treeSize !== undefined && log.lastPos > treeSize) {
      this.report('too long', org, treeSize + 1, `ends at position ${log.lastPos}, the tree has ${treeSize}`);
    }
    if (root !== undefined && log.root !== root) {
      this.report('wrong root', org, log.lastPos, `the root of these lines is ${log.root} and not ${root}`);
    }
  }

  private report(kind: ProblemKind, org: string, pos: number | undefined, detail: string): void {
    this.problemCount += 1;
    if (this.problems.length < KEPT_PROBLEMS) this.problems.push({ kind, org, pos, detail });
  }
}

function newLog(start: ExpectedLog['start']): LogState {
  const pos = start?.pos ?? 1;
  return {
    lines: 0,
    lastPos: pos - 1,
    // Unknown where the lines begin later and nobody said: then only the root binds what was before.
    lastHash: start?.prevHash ?? (pos === 1 ? NO_HASH : ''),
    root: '',
    erased: 0,
    next: pos,
    tree: new MerkleTree(pos - 1, start?.prefix),
    gaps: [],
  };
}

/** True where this position was passed over before: then it is late and no longer missing. */
function takeFromGap(log: LogState, pos: number): boolean {
  const index = log.gaps.findIndex(([first, last]) => first <= pos && pos <= last);
  const gap = log.gaps[index];
  if (gap === undefined) return false;
  const [first, last] = gap;
  const rest: [number, number][] = [];
  if (first < pos) rest.push([first, pos - 1]);
  if (pos < last) rest.push([pos + 1, last]);
  log.gaps.splice(index, 1, ...rest);
  return true;
}

interface AuditEvent {
  org: string;
  pos: number;
  leafHash: string;
  prevHash: string;
  personal: Record<string, unknown>;
  /** Everything the leaf hash covers. */
  core: Record<string, unknown>;
}

function readEvent(bytes: Uint8Array): AuditEvent {
  const text = utf8.decode(bytes);
  const event: unknown = JSON.parse(text);
  // A second key of the same name would be read one way here and another way by another reader.
  const twice = duplicateKey(text);
  if (twice !== undefined) throw new Error(`has the key ${twice} twice`);
  if (!isObject(event)) throw new Error('is not a JSON object');
  const { pos, leafHash, prevHash, personal, ...core } = event;
  if (core['v'] !== 1) throw new Error('is not of version 1');
  if (typeof core['org'] !== 'string' || core['org'] === '') throw new Error('names no organization');
  if (!Number.isSafeInteger(pos) || (pos as number) < 1) throw new Error('has no position');
  if (typeof leafHash !== 'string' || !HASH.test(leafHash)) throw new Error('has no leafHash');
  if (typeof prevHash !== 'string' || !HASH.test(prevHash)) throw new Error('has no prevHash');
  if (!isObject(personal)) throw new Error('has no personal part');
  canonicalJson(event); // refuses lone surrogates, wherever they stand
  return { org: core['org'], pos: pos as number, leafHash, prevHash, personal, core };
}

/** The commitment to one personal value, or undefined where it is not of the form {salt, value}. */
function commitmentOf(entry: unknown): string | undefined {
  if (!isObject(entry) || Object.keys(entry).length !== 2) return undefined;
  const { salt, value } = entry;
  if (typeof salt !== 'string' || typeof value !== 'string') return undefined;
  const bytes = Buffer.from(salt, 'base64url');
  if (bytes.length !== 16 || bytes.toString('base64url') !== salt) return undefined;
  return sha256(bytes, Buffer.from(value)).toString('hex');
}

/** RFC 8785: no blanks, keys by UTF-16 code units, strings and numbers as ECMAScript writes them. */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new Error('holds a number that JSON cannot say');
    return JSON.stringify(value);
  }
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw new Error('holds half of a surrogate pair');
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (!isObject(value)) throw new Error(`holds a ${typeof value}`);
  // The default order of sort() is that of UTF-16 code units, which RFC 8785 asks for.
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${canonicalJson(key)}:${canonicalJson(value[key])}`).join(',')}}`;
}

/** The first key that an object of this JSON text (known to be valid) has twice. */
function duplicateKey(text: string): string | undefined {
  const token = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}]/g;
  const open: Set<string>[] = [];
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    if (match[0] === '{') open.push(new Set());
    else if (match[0] === '}') open.pop();
    else if (match[1] !== undefined) {
      const key = JSON.parse(match[0].slice(0, -match[1].length)) as string;
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return undefined;
}

/** The Merkle tree of RFC 6962 section 2.1, grown leaf by leaf; holds one hash per level. */
export class MerkleTree {
  /** Roots of the full subtrees from the left, largest first, each with its number of leaves. */
  private readonly peaks: { size: number; hash: Buffer }[] = [];

  /** Empty; or with `leaves` of which only the roots of the complete subtrees are known, left to right. */
  constructor(leaves = 0, prefix: readonly string[] = []) {
    if (prefix.length === 0) return;
    let left = leaves;
    for (const root of prefix) {
      if (left < 1 || !HASH.test(root)) throw new Error('the prefix is not one of so many positions');
      const size = 2 ** Math.floor(Math.log2(left));
      this.peaks.push({ size, hash: Buffer.from(root, 'hex') });
      left -= size;
    }
    if (left !== 0) throw new Error('the prefix is not one of so many positions');
  }

  append(leafHash: Buffer): void {
    let [size, hash] = [1, leafHash];
    for (let left = this.peaks.at(-1); left?.size === size; left = this.peaks.at(-1)) {
      this.peaks.pop();
      hash = node(left.hash, hash);
      size *= 2;
    }
    this.peaks.push({ size, hash });
  }

  root(): string {
    const hashes = this.peaks.map((peak) => peak.hash);
    const last = hashes.pop();
    if (last === undefined) return sha256().toString('hex');
    return hashes.reduceRight((right, left) => node(left, right), last).toString('hex');
  }
}

function node(left: Buffer, right: Buffer): Buffer {
  return sha256(Buffer.from([1]), left, right);
}

function sha256(...parts: Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function main([file, ...logs]: string[]): Promise<void> {
  if (file === undefined)
    throw new Error(
      'usage: verify-export.ts <file> [<org>=<treeSize>:<root>[:<prunedUpTo>:<hash>,<hash>...] ...]',
    );
  const expected = new Map<string, ExpectedLog>();
  for (const log of logs) {
    const [, org, size, root, pruned, prefix] =
      /^(.+)=(\d+):([0-9a-f]{64})(?::(\d+):([0-9a-f,]+))?$/.exec(log) ?? [];
    if (org === undefined) throw new Error(`${log} is not of the form <org>=<treeSize>:<root>`);
    const start = prefix && { start: { pos: Number(pruned) + 1, prefix: prefix.split(',') } };
    expected.set(org, { treeSize: Number(size), root: root!, ...start });
  }
  const verdict = await verifyExport(file, logs.length > 0 ? expected : undefined);
  for (const { kind, org, pos, detail } of verdict.problems)
    console.log(`${kind}: ${org} ${pos ?? '-'}: ${detail}`);
  for (const [org, log] of verdict.orgs) {
    console.log(
      `${org}: ${log.lines} lines to position ${log.lastPos}, root ${log.root}, ${log.erased} erased`,
    );
  }
  console.log(verdict.ok ? 'nothing is missing or altered' : `${verdict.problemCount} problems`);
  process.exitCode = verdict.ok ? 0 : 1;
}

if (import.meta.main) await main(process.argv.slice(2));
