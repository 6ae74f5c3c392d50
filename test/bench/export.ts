import pg from 'pg';
import pgCopy from 'pg-copy-streams';
import { type AuditEntry } from '#audit';
import { prepareDatabase, type SystemTx } from '#database';
import { newId, SystemClock } from '#kernel';
import { Deployment, owner, type Replica, signIn } from './deployment.ts';
import { medianOf, type Plan, type Result } from './figures.ts';
import { cores } from './processes.ts';
import { auditBy } from '../kit/audit.ts';

const PAGE = 10_000;

interface Pass {
  readonly rowsPerSecond: number;
  readonly megabytesPerSecond: number;
}

interface Round {
  readonly exported: Pass;
  readonly leaves: Pass;
  readonly lines: Pass;
}

/** (e) The export over HTTP, page by page, against COPY of the same rows into this process. */
export async function exports({ rounds, quick }: Plan): Promise<Result> {
  const count = quick ? 20_000 : 200_000;
  const { deployment, first } = await Deployment.start(cores.both, cores.both);
  const url = deployment.database.server.adminUrl;
  const all: Round[] = [];
  try {
    const { organization } = await signIn(first.client, owner);
    await fill(url, organization.id, count);
    const cold = await exportAll(first);
    for (let i = 0; i < rounds; i += 1) {
      all.push({
        leaves: await copy(
          url,
          `SELECT e.leaf FROM audit_positions p JOIN audit_events e ON e.org_id = p.org_id AND e.id = p.event_id
            WHERE p.org_id = '${organization.id}' ORDER BY p.pos`,
        ),
        lines: await copy(
          url,
          `SELECT convert_from(substring(convert_to(e.leaf, 'UTF8') FROM 1 FOR octet_length(e.leaf) - 1), 'UTF8')
               || (',"pos":' || p.pos || ',"leafHash":"' || encode(p.leaf_hash, 'hex')
               || '","prevHash":"' || encode(p.prev_hash, 'hex') || '","personal":') || e.personal || '}'
             FROM audit_positions p JOIN audit_events e ON e.org_id = p.org_id AND e.id = p.event_id
            WHERE p.org_id = '${organization.id}' ORDER BY p.pos`,
        ),
        exported: await exportAll(first),
      });
    }
    return {
      name: 'export',
      title: `(e) Export, native, ${count.toLocaleString('en-US')} events in pages of ${PAGE.toLocaleString('en-US')}`,
      figures: figures(all, cold),
      rounds: [{ cold }, ...all],
    };
  } finally {
    await deployment.stop();
  }
}

function figures(all: Round[], cold: Pass): Result['figures'] {
  const rows = medianOf(all, (round) => round.exported.rowsPerSecond);
  const ratio = medianOf(all, (round) => round.exported.rowsPerSecond / round.leaves.rowsPerSecond);
  return [
    {
      what: 'exported over HTTP',
      value: rows,
      unit: 'rows/s',
      limit: { what: 'COPY (SELECT leaf)', value: medianOf(all, (round) => round.leaves.rowsPerSecond) },
      ratio,
      aim: { text: '>= 0.5', met: ratio >= 0.5 },
    },
    {
      what: 'the same',
      value: rows,
      unit: 'rows/s',
      limit: {
        what: 'one COPY of the same lines',
        value: medianOf(all, (round) => round.lines.rowsPerSecond),
      },
      ratio: medianOf(all, (round) => round.exported.rowsPerSecond / round.lines.rowsPerSecond),
    },
    {
      what: 'the same',
      value: medianOf(all, (round) => round.exported.megabytesPerSecond),
      unit: 'MB/s',
      limit: { what: 'COPY (SELECT leaf)', value: medianOf(all, (round) => round.leaves.megabytesPerSecond) },
    },
    { what: 'first pass, which builds the tree', value: cold.rowsPerSecond, unit: 'rows/s' },
  ];
}

async function exportAll({ client }: Replica): Promise<Pass> {
  const { accessToken, organization } = await signIn(client, owner);
  const path = `/api/v1/orgs/${organization.id}/audit/export`;
  const begun = performance.now();
  let rows = 0;
  let bytes = 0;
  for (let after = 0; ;) {
    let lines = 0;
    const take = (chunk: Buffer): void => {
      bytes += chunk.length;
      for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) lines += 1;
    };
    const page = `${path}?after=${after}&limit=${PAGE}`;
    const { status, headers } = await client.stream('GET', page, take, accessToken);
    if (status !== 200) throw new Error(`the export answered ${status}`);
    const next = Number(headers['x-audit-next']);
    if (next === after) break;
    // The whole page came: as many lines as positions.
    if (lines !== next - after) throw new Error(`a page of ${next - after} positions has ${lines} lines`);
    rows += lines;
    after = next;
  }
  return pass(rows, bytes, begun);
}

async function copy(url: string, select: string): Promise<Pass> {
  const client = new pg.Client({ connectionString: url, options: '-c search_path=portcullis' });
  await client.connect();
  try {
    const begun = performance.now();
    const stream = client.query(pgCopy.to(`COPY (${select}) TO STDOUT`));
    let bytes = 0;
    for await (const chunk of stream) bytes += (chunk as Buffer).length;
    return pass(stream.rowCount, bytes, begun);
  } finally {
    await client.end();
  }
}

function pass(rows: number, bytes: number, begun: number): Pass {
  const seconds = (performance.now() - begun) / 1000;
  return { rowsPerSecond: rows / seconds, megabytesPerSecond: bytes / 1e6 / seconds };
}

/** Events as the product seals them, stored by the product's role in few transactions; positions come at commit. */
async function fill(url: string, orgId: string, count: number): Promise<void> {
  const client = new pg.Client({ connectionString: (await prepareDatabase(url)).system });
  await client.connect();
  const audit = auditBy(new SystemClock());
  try {
    for (let done = 0; done < count; done += 10_000) {
      const sealed: unknown[][] = [];
      // What the audit log would insert one by one is caught here and inserted together.
      const caught = {
        withNext: async (name: string, _sql: string, values: unknown[]) => {
          if (name === 'insert_audit_event') sealed.push(values);
        },
      } as unknown as SystemTx;
      for (let i = 0; i < Math.min(10_000, count - done); i += 1) await audit.record(caught, entry(orgId, i));
      const column = (n: number): unknown[] => sealed.map((row) => row[n]);
      await client.query(
        `INSERT INTO audit_events (org_id, id, leaf, personal)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[])`,
        [column(0), column(1), column(2), column(3)],
      );
    }
  } finally {
    await client.end();
  }
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  // As autovacuum would have done by the time a log has this length.
  await admin.query('VACUUM ANALYZE portcullis.audit_events, portcullis.audit_positions');
  await admin.end();
}

/** An event such as there are many. */
export function entry(orgId: string, n: number): AuditEntry {
  const id = newId();
  return {
    orgId,
    actor: { type: 'user', id: newId(), sessionId: newId(), display: `Member ${n}` },
    action: 'session.revoked',
    target: { type: 'session', id },
    outcome: 'success',
    reason: 'revoked_by_admin',
    request: {
      id: newId(),
      method: 'DELETE',
      route: '/api/v1/orgs/:orgId/sessions/:sessionId',
      ip: '192.0.2.1',
      userAgent: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36',
    },
    changes: { user: { to: newId() } },
  };
}
