import { Injectable } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import pgCopy from 'pg-copy-streams';
import { Database, type OrgTx } from '#database';
import { type Caller, Clock } from '#kernel';
import { Audit } from './audit.ts';
import { AuditFault } from './audit.faults.ts';
import { nativeLines, readHead, readRange } from './audit.store.ts';
import { Coalescer, READS } from './coalescer.ts';
import { type ExportFormat, lineOf } from './formats/format.ts';

import { OrgTrees } from './org-tree.ts';

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
  /** RFC 6962 root over all `treeSize` leaves, hex. */
  readonly root: string;
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
  readonly #reads = new Coalescer<true>(READS);

  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly trees: OrgTrees,
    private readonly clock: Clock,
  ) {}

  async start(caller: Caller, request: ExportRequest): Promise<Export> {
    await this.#record(caller, request);
    const { size, root } = await this.#head(caller, request);
    if (request.after > size) {
      throw AuditFault.beyond_log({
        errors: [{ path: 'after', message: `must be at most ${size}` }],
        data: { treeSize: size },
      });
    }
    const next = Math.min(request.after + request.limit, size);
    return { next, treeSize: size, root, lines: this.#lines(caller, request.after, next, request.format) };
  }

  /** The head of the log, after waiting up to `wait` seconds for something beyond `after`. */
  async #head(caller: Caller, { after, wait }: ExportRequest): Promise<{ size: number; root: string }> {
    const until = this.clock.monotonic() + wait * 1_000;
    for (;;) {
      const head = await this.database.inOrg(caller, async (tx) => {
        const size = await readHead(tx);
        if (size <= after && this.clock.monotonic() < until) return undefined;
        return this.trees.at(tx, size);
      });
      if (head) return head;
      await sleep(POLL_MS);
    }
  }

  async *#lines(caller: Caller, after: number, upTo: number, format: ExportFormat): AsyncGenerator<Buffer> {
    for (let from = after; from < upTo; from += BATCH) {
      const to = Math.min(from + BATCH, upTo);
      yield await this.database.inOrg(caller, (tx) =>
        format === 'native' ? copyNative(tx, from, to) : mapped(tx, from, to, format),
      );
    }
  }

  async #record(caller: Caller, { after, format }: ExportRequest): Promise<void> {
    this.#reads.take(this.clock.monotonic());
    if (!this.#reads.admit(caller.org.id, caller.id, true, this.clock.monotonic())) return;
    try {
      await this.database.inOrg(caller, (tx) =>
        this.audit.append(tx, caller, {
          action: 'audit.exported',
          target: { type: 'audit_log', id: caller.org.id },
          changes: { after: { to: after }, format: { to: format } },
        }),
      );
    } catch (error) {
      this.#reads.forget(caller.org.id, caller.id);
      throw error;
    }
  }
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
