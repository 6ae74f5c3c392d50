import { createReadStream } from 'node:fs';
import { checkPersonal, readEvent } from './event.ts';
import { LineFeed } from './line-feed.ts';
import { type KnownRoot, LogCheck, type ProblemKind } from './log-check.ts';
import { SoundLine } from './sound-line.ts';

/**
 * Verifies an audit export (format `native`) without trusting, or sharing a line of code with, the server that wrote
 * it: only Node's own modules. Memory does not grow with the log.
 */

export interface Problem {
  readonly kind: ProblemKind;
  /** Empty where the line is so broken that it names none. */
  readonly org: string;
  /** The position in the organization's log; undefined where the line tells none. */
  readonly pos: number | undefined;
  readonly detail: string;
}

/** What is known of one organization's log from elsewhere: signed checkpoints, or the headers of the export. */
export interface ExpectedLog {
  /** Where the log is to end. */
  readonly treeSize?: number | undefined;
  /** At `treeSize`; hex. */
  readonly root?: string | undefined;
  /** Roots at other sizes. */
  readonly roots?: readonly KnownRoot[] | undefined;
  /**
   * Where the lines begin, for one that continues an earlier reading; `prevHash`: the leaf hash before. Roots can be
   * checked only with the proof that the position before is in the tree that ends with it.
   */
  readonly start?: LogBeginning | undefined;
  /** Lines beyond `treeSize` are counted and not judged: what was written since the newest checkpoint. */
  readonly ignoreTail?: boolean | undefined;
}

export interface LogBeginning {
  readonly pos: number;
  /** Where it is not known, what the first line says is taken, and a root shows whether it was right. */
  readonly prevHash?: string | undefined;
  readonly proof?: readonly string[] | undefined;
}

export interface VerifiedLog {
  readonly lines: number;
  readonly lastPos: number;
  /** The leafHash that a continued reading must find as its first prevHash. */
  readonly lastHash: string;
  /** Of all lines; hex. */
  readonly root: string;
  /** Personal values that are gone. Erasing is lawful, so it is counted and not a problem. */
  readonly erased: number;
  /** Which of the known roots these lines lead to. */
  readonly reached: readonly KnownRoot[];
  /** Lines beyond the tree, where they are ignored. */
  readonly ignored: number;
}

export interface Verdict {
  readonly ok: boolean;
  readonly problemCount: number;
  /** The first thousand. */
  readonly problems: Problem[];
  readonly orgs: Map<string, VerifiedLog>;
}

const KEPT_PROBLEMS = 1000;

/** Bytes are cut at line feeds; a string is one line. */
type Chunk = Uint8Array | string;
type Chunks = Iterable<Chunk> | AsyncIterable<Chunk>;

/** Verifies the lines of a file or of chunks of it. Give `expected` to have tails and roots checked. */
export async function verifyExport(
  source: string | Chunks,
  expected?: ReadonlyMap<string, ExpectedLog>,
): Promise<Verdict> {
  const check = new ExportCheck(expected);
  const chunks = typeof source === 'string' ? createReadStream(source, { highWaterMark: 1 << 20 }) : source;
  for await (const chunk of chunks)
    check.write(typeof chunk === 'string' ? Buffer.from(`${chunk}\n`) : chunk);
  return check.finish();
}

interface OneLog {
  readonly check: LogCheck;
  readonly treeSize: number;
  readonly ignoreTail: boolean;
  ignored: number;
}

/** Takes an export in chunks of any size; several files one after the other, each ended by `endFile`. */
export class ExportCheck {
  readonly #expected: ReadonlyMap<string, ExpectedLog> | undefined;
  readonly #logs = new Map<string, OneLog>();
  readonly #problems: Problem[] = [];
  readonly #sound = new SoundLine();
  readonly #feed = new LineFeed((bytes, from, to, clean) => this.#line(bytes, from, to, clean));
  #problemCount = 0;
  #lineNumber = 0;
  /** The log of the line before. */
  #last: { org: string; log: OneLog } | undefined;

  constructor(expected?: ReadonlyMap<string, ExpectedLog>) {
    this.#expected = expected;
    for (const [org, one] of expected ?? []) this.#logs.set(org, this.#newLog(org, one));
  }

  write(chunk: Uint8Array): void {
    this.#feed.write(chunk);
  }

  endFile(): void {
    this.#feed.end();
    this.#lineNumber = 0;
  }

  problem(kind: ProblemKind, org: string, pos: number | undefined, detail: string): void {
    this.#problemCount += 1;
    if (this.#problems.length < KEPT_PROBLEMS) this.#problems.push({ kind, org, pos, detail });
  }

  finish(): Verdict {
    this.endFile();
    const orgs = new Map<string, VerifiedLog>();
    for (const [org, { check, treeSize, ignored }] of this.#logs) {
      check.end();
      const { lines, lastPos, lastHash, erased, reached } = check;
      const { root, roots = [] } = this.#expected?.get(org) ?? {};
      if (root === undefined && roots.length === 0 && lastPos < treeSize && treeSize < Infinity) {
        check.problem('short', lastPos + 1, `ends at position ${lastPos}, the tree has ${treeSize}`);
      }
      orgs.set(org, { lines, lastPos, lastHash, root: check.root(), erased, reached, ignored });
    }
    const [problemCount, problems] = [this.#problemCount, this.#problems];
    return { ok: problemCount === 0, problemCount, problems, orgs };
  }

  #line(bytes: Buffer, from: number, to: number, clean: boolean): void {
    this.#lineNumber += 1;
    const sound = this.#sound;
    if (clean && sound.read(bytes, from, to)) {
      const log = this.#logOf(sound.org, sound.pos);
      if (!this.#isWithin(log, sound.org, sound.pos)) return;
      log.check.erased += sound.erased;
      log.check.line(sound.pos, sound.leafHash, sound.prevHash, sound.leafHash);
    } else this.#doubtful(bytes.subarray(from, to));
  }

  /** A line that is not in the usual form, or not sound: what it is takes longer to tell. */
  #doubtful(bytes: Buffer): void {
    let event;
    try {
      event = readEvent(bytes);
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error);
      this.problem('malformed', '', undefined, `line ${this.#lineNumber}: ${what}`);
      return;
    }
    const { org, pos, leafHash, prevHash, recomputed } = event;
    const log = this.#logOf(org, pos);
    if (!this.#isWithin(log, org, pos)) return;
    const { erased, wrong } = checkPersonal(event);
    log.check.erased += erased;
    for (const detail of wrong) log.check.problem('commitment mismatch', pos, detail);
    log.check.line(pos, leafHash, prevHash, recomputed);
  }

  #isWithin(log: OneLog, org: string, pos: number): boolean {
    if (pos <= log.treeSize) return true;
    if (log.ignoreTail) {
      log.ignored += 1;
      return false;
    }
    if (log.ignored === 0) this.problem('too long', org, pos, `the tree has ${log.treeSize}`);
    log.ignored += 1;
    return false;
  }

  #logOf(org: string, pos: number): OneLog {
    if (this.#last?.org === org) return this.#last.log;
    let log = this.#logs.get(org);
    if (log === undefined) {
      if (this.#expected !== undefined)
        this.problem('unexpected organization', org, pos, 'no log of it was expected');
      log = this.#newLog(org, {});
      this.#logs.set(org, log);
    }
    this.#last = { org, log };
    return log;
  }

  #newLog(org: string, { treeSize, root, roots = [], start, ignoreTail = false }: ExpectedLog): OneLog {
    const known = [...roots];
    if (treeSize !== undefined && root !== undefined) known.push({ size: treeSize, root });
    const before = (start?.pos ?? 1) - 1;
    if (before > 0 && start?.proof === undefined && (known.length > 0 || root !== undefined)) {
      throw new Error('a root can be checked only from position 1 on, or with a proof of what is before');
    }
    const beginning = { pos: before, hash: start?.prevHash, proof: start?.proof };
    const check = new LogCheck(beginning, known, (kind, pos, detail) => this.problem(kind, org, pos, detail));
    return { check, treeSize: treeSize ?? Infinity, ignoreTail, ignored: 0 };
  }
}
