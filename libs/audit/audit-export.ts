import { Injectable } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import pgCopy from 'pg-copy-streams';
import { Database, LiveCallers, type OrgTx } from '#database';
import { type Caller, Clock } from '#kernel';
import { AuditFault } from './audit.faults.ts';
import { CopiedLines } from './copied-lines.ts';
import { nativeLines, readHead, readRange } from './audit.store.ts';
import { type ExportFormat, lineOf } from './formats/format.ts';
import { readOpenFork } from './fork/fork.store.ts';
import { readPrunedUpTo } from './retention/retention.store.ts';
import { Readings } from './readings.ts';
import { isAltered, OrgTrees } from './tree/org-trees.ts';

export interface ExportRequest {
  /** The position to continue after; 0 for the beginning. */
  readonly after: number;
  readonly limit: number;
  readonly format: ExportFormat;
  /** Seconds to wait for the first event when there is none yet. */
  readonly wait: number;
}

export interface Export {
  /** Use as `after` of the next request. */
  readonly next: number;
  readonly treeSize: number;
  /** RFC 6962 root over all `treeSize` leaves, hex. Absent where the log is not what was written: nothing vouches. */
  readonly root: string | undefined;
  /** NDJSON in order of position; pull at your own pace. */
  readonly lines: AsyncIterable<Buffer>;
}

/** Positions after `after` up to `upTo`. */
interface Range {
  readonly after: number;
  readonly upTo: number;
  readonly format: ExportFormat;
}

/** Events read in one short transaction: a slow reader holds no connection between batches. */
const BATCH = 2_500;
const POLL_MS = 200;

/**
 * The export. Positions up to the head are complete and never change, so a range can be read in any number of
 * pieces, at any time, and is always the same bytes.
 */
@Injectable()
export class AuditExport {
  constructor(
    private readonly database: Database,
    private readonly readings: Readings,
    private readonly trees: OrgTrees,
    private readonly live: LiveCallers,
    private readonly clock: Clock,
  ) {}

  async start(caller: Caller, request: ExportRequest): Promise<Export> {
    // From before the first thing that takes time: what changes meanwhile is heard of.
    const answer = this.live.open(caller);
    const { after, format } = request;
    let size: number;
    try {
      const changes = { after: { to: after }, format: { to: format } };
      await this.readings.record(caller, 'audit.exported', changes);
      size = await this.#waited(caller, request, answer.signal);
    } finally {
      answer.close();
    }
    if (after > size) {
      throw AuditFault.beyond_log({
        errors: [{ path: 'after', message: `must be at most ${size}` }],
        data: { treeSize: size },
      });
    }
    const next = Math.min(after + request.limit, size);
    // Under way while the root is read.
    const first = this.#begin(caller, { after, upTo: next, format });
    const root = await this.#rootOf(caller, size);
    return { next, treeSize: size, root, lines: this.#lines(caller, first, { after, upTo: next, format }) };
  }

  /**
   * The size of the log, after waiting up to `wait` seconds for something beyond `after`. A log that forked is exported
   * once that is acknowledged; what is pruned is not again. Whose authority changes meanwhile gets nothing that came
   * after, and is asked for it by the next request.
   */
  async #waited(caller: Caller, { after, wait }: ExportRequest, signal: AbortSignal): Promise<number> {
    const until = this.clock.monotonic() + wait * 1_000;
    let look = async (tx: OrgTx): Promise<number> => {
      await requireNoFork(tx);
      await requireKept(tx, after);
      return readHead(tx);
    };
    for (;;) {
      const size = await this.database.inOrg(caller, look);
      if (wait > 0 && signal.aborted) return Math.min(size, after);
      if (size > after || this.clock.monotonic() >= until) return size;
      await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
      look = readHead;
    }
  }

  /** A log that was tampered with is still exported, for that is the evidence; only its root is not vouched for. */
  async #rootOf(caller: Caller, size: number): Promise<string | undefined> {
    try {
      return (await this.trees.read(caller, (tree) => tree.rootAt(size))).toString('hex');
    } catch (error) {
      if (isAltered(error)) return undefined;
      throw error;
    }
  }

  /** One batch is read ahead while the one before it leaves: the database and this process work at the same time. */
  async *#lines(
    caller: Caller,
    first: Promise<Buffer[]>,
    { after, upTo, format }: Range,
  ): AsyncGenerator<Buffer> {
    let ahead = first;
    for (let from = after; from < upTo; from += BATCH) {
      const lines = await ahead;
      if (from + BATCH < upTo) ahead = this.#begin(caller, { after: from + BATCH, upTo, format });
      yield* lines;
    }
  }

  /** The first batch of the range. */
  #begin(caller: Caller, { after, upTo, format }: Range): Promise<Buffer[]> {
    if (after >= upTo) return Promise.resolve([]);
    const to = Math.min(after + BATCH, upTo);
    const batch = this.database.inOrg(caller, async (tx) => {
      const lines = await (format === 'native' ? copyNative(tx, after, to) : mapped(tx, after, to, format));
      // What went meanwhile breaks the stream off: an answer is never short and silent about it.
      await requireKept(tx, after);
      return lines;
    });
    // Nobody may ask for it any more; whoever does hears why it failed.
    batch.catch(() => undefined);
    return batch;
  }
}

async function requireNoFork(tx: OrgTx): Promise<void> {
  const fork = await readOpenFork(tx, tx.orgId);
  if (!fork) return;
  const sizes = { pos: Number(fork.old_size), size: Number(fork.new_size) };
  throw AuditFault.fork_detected({ data: { kind: 'fork', ...sizes } });
}

async function requireKept(tx: OrgTx, after: number): Promise<void> {
  const prunedUpTo = await readPrunedUpTo(tx, tx.orgId);
  if (after < prunedUpTo) throw AuditFault.pruned({ data: { prunedUpTo } });
}

/** As COPY gives it, in its buffers: the fastest way out of PostgreSQL, with no parsing here. */
async function copyNative(tx: OrgTx, after: number, upTo: number): Promise<Buffer[]> {
  const copy = await tx.give(
    pgCopy.to(`COPY (${nativeLines(tx.orgId, after, upTo)}) TO STDOUT WITH (FORMAT binary)`),
  );
  const copied = new CopiedLines();
  const lines: Buffer[] = [];
  for await (const chunk of copy) lines.push(...copied.take(chunk as Buffer));
  copied.finish();
  return lines;
}

async function mapped(
  tx: OrgTx,
  after: number,
  upTo: number,
  format: Exclude<ExportFormat, 'native'>,
): Promise<Buffer[]> {
  const rows = await readRange(tx, after, upTo);
  return [Buffer.from(rows.map((row) => `${lineOf(format, row)}\n`).join(''))];
}
