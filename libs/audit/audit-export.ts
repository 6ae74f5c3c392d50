import { Injectable } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import pgCopy from 'pg-copy-streams';
import { Database, type OrgTx } from '#database';
import { type Caller, Clock } from '#kernel';
import { AuditFault } from './audit.faults.ts';
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

/** Events read in one short transaction: a slow reader holds no connection between batches. */
const BATCH = 2_000;
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
    private readonly clock: Clock,
  ) {}

  async start(caller: Caller, request: ExportRequest): Promise<Export> {
    const changes = { after: { to: request.after }, format: { to: request.format } };
    await this.readings.record(caller, 'audit.exported', changes);
    await this.#requireWhole(caller, request.after);
    const { size, root } = await this.#headOf(caller, await this.#waited(caller, request));
    if (request.after > size) {
      throw AuditFault.beyond_log({
        errors: [{ path: 'after', message: `must be at most ${size}` }],
        data: { treeSize: size },
      });
    }
    const next = Math.min(request.after + request.limit, size);
    return { next, treeSize: size, root, lines: this.#lines(caller, request.after, next, request.format) };
  }

  /** A log that forked is exported once that is acknowledged; what is pruned is not again. */
  async #requireWhole(caller: Caller, after: number): Promise<void> {
    await this.database.inOrg(caller, async (tx) => {
      const fork = await readOpenFork(tx, caller.org.id);
      if (fork) {
        const sizes = { pos: Number(fork.old_size), size: Number(fork.new_size) };
        throw AuditFault.fork_detected({ data: { kind: 'fork', ...sizes } });
      }
      await requireKept(tx, after);
    });
  }

  /** The size of the log, after waiting up to `wait` seconds for something beyond `after`. */
  async #waited(caller: Caller, { after, wait }: ExportRequest): Promise<number> {
    const until = this.clock.monotonic() + wait * 1_000;
    for (;;) {
      const size = await this.database.inOrg(caller, readHead);
      if (size > after || this.clock.monotonic() >= until) return size;
      await sleep(POLL_MS);
    }
  }

  /** A log that was tampered with is still exported, for that is the evidence; only its root is not vouched for. */
  async #headOf(caller: Caller, size: number): Promise<{ size: number; root: string | undefined }> {
    try {
      const root = await this.trees.read(caller, (tree) => tree.rootAt(size));
      return { size, root: root.toString('hex') };
    } catch (error) {
      if (isAltered(error)) return { size, root: undefined };
      throw error;
    }
  }

  async *#lines(caller: Caller, after: number, upTo: number, format: ExportFormat): AsyncGenerator<Buffer> {
    for (let from = after; from < upTo; from += BATCH) {
      const to = Math.min(from + BATCH, upTo);
      yield await this.database.inOrg(caller, async (tx) => {
        const lines = await (format === 'native' ? copyNative(tx, from, to) : mapped(tx, from, to, format));
        // What went meanwhile breaks the stream off: an answer is never short and silent about it.
        await requireKept(tx, from);
        return lines;
      });
    }
  }
}

async function requireKept(tx: OrgTx, after: number): Promise<void> {
  const prunedUpTo = await readPrunedUpTo(tx, tx.orgId);
  if (after < prunedUpTo) throw AuditFault.pruned({ data: { prunedUpTo } });
}

/**
 * COPY as CSV with a quote and a delimiter that canonical JSON can never hold, so the bytes come out as they are:
 * the fastest way out of PostgreSQL, with no parsing here.
 */
async function copyNative(tx: OrgTx, after: number, upTo: number): Promise<Buffer> {
  const copy = tx.client.query(
    pgCopy.to(
      `COPY (${nativeLines(tx.orgId, after, upTo)}) TO STDOUT WITH (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')`,
    ),
  );
  const chunks: Buffer[] = [];
  for await (const chunk of copy) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function mapped(
  tx: OrgTx,
  after: number,
  upTo: number,
  format: Exclude<ExportFormat, 'native'>,
): Promise<Buffer> {
  const rows = await readRange(tx, after, upTo);
  return Buffer.from(rows.map((row) => `${lineOf(format, row)}\n`).join(''));
}
