import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { until } from '../kit/until.ts';
import { beside } from '../kit/stopwatch.ts';
import { expectAnswer } from '../kit/client.ts';
import { run } from '../kit/database.ts';
import { fillLog } from '../kit/long-log.ts';
import { setUp, signIn, type SignedIn } from '../kit/tenancy.ts';
import { verifyExport } from './verify-export.ts';

/** A syslog receiver of octet-counted frames over TCP that remembers what came, in the order it came. */
class FrameReceiver {
  readonly lines: { line: string; from: number; at: number }[] = [];
  readonly #sockets = new Set<Socket>();
  #connections = 0;

  private constructor(
    readonly server: Server,
    readonly port: number,
  ) {}

  static async start(): Promise<FrameReceiver> {
    const server = createServer({ allowHalfOpen: false });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const made = new FrameReceiver(server, (server.address() as { port: number }).port);
    server.on('connection', (socket) => made.#take(socket));
    return made;
  }

  #take(socket: Socket): void {
    this.#sockets.add(socket);
    const from = (this.#connections += 1);
    let rest: Buffer = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        const blank = rest.indexOf(0x20);
        const length = Number(rest.subarray(0, Math.max(0, blank)).toString());
        if (blank < 1 || rest.length < blank + 1 + length) return;
        const frame = rest.subarray(blank + 1, blank + 1 + length).toString();
        rest = rest.subarray(blank + 1 + length);
        const line = frame.slice(frame.indexOf('] {') + 2);
        if (!line.includes('"checkpoint":')) this.lines.push({ line, from, at: performance.now() });
      }
    });
  }

  /** Each line once, in the order in which each first came. */
  get first(): string[] {
    return [...new Set(this.lines.map(({ line }) => line))];
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.server.close();
  }
}

const positionOf = (line: string): number => Number(/"pos":(\d+)/.exec(line)?.[1]);

describe('a log on its way to a sink', () => {
  let product: Product;
  const workers: Product[] = [];
  let receiver: FrameReceiver;
  let admin: SignedIn;
  let orgId = '';
  let adminUrl = '';
  let sinkId = '';

  beforeAll(async () => {
    const env = { PORTCULLIS_EGRESS_ALLOW: '127.0.0.0/8' };
    // The first only serves; the others deliver.
    product = await startProduct({ env: { ...env, PORTCULLIS_ROLE: 'api' } });
    const owner = await setUp(product);
    admin = await signIn(product, owner);
    orgId = admin.organization.id;
    adminUrl = await product.databaseUrl();
    for (let n = 0; n < 2; n += 1) {
      workers.push(await startProduct({ replicaOf: product, role: 'worker', env }));
    }
    receiver = await FrameReceiver.start();
    const settings = { host: '127.0.0.1', port: receiver.port, tls: false };
    const made = await product.api.post(
      `/orgs/${orgId}/audit/sinks`,
      { name: 'siem', kind: 'syslog', settings },
      { token: admin.accessToken },
    );
    sinkId = expectAnswer<{ id: string }>(made, 201).id;
  });
  afterAll(async () => {
    receiver?.stop();
    await disposeAll([product, ...workers]);
  });

  const holder = async (): Promise<string | null> => {
    const [row] = await run(
      adminUrl,
      'SELECT lease_owner FROM portcullis.audit_sink_state WHERE sink_id = $1',
      [sinkId],
    );
    return row?.['lease_owner'] as string | null;
  };
  const head = async (): Promise<number> => {
    const [row] = await run(
      adminUrl,
      'SELECT max(pos) AS head FROM portcullis.audit_positions WHERE org_id = $1',
      [orgId],
    );
    return Number(row?.['head']);
  };
  const complete = async (): Promise<void> => {
    const upTo = await head();
    await until(async () => receiver.first.length >= upTo, 120_000);
    const verdict = await verifyExport(receiver.first);
    expect(verdict.problems.slice(0, 5)).toEqual([]);
  };
  /** Lines of one connection are in order, and no connection sends while another does. */
  const notInterleaved = (): void => {
    const order = receiver.lines.map(({ from }) => from);
    expect(order).toEqual([...order].sort((a, b) => a - b));
    for (const connection of new Set(order)) {
      const own = receiver.lines
        .filter(({ from }) => from === connection)
        .map(({ line }) => positionOf(line));
      expect(own).toEqual([...own].sort((a, b) => a - b));
    }
  };

  it('arrives, by one worker of two', async () => {
    await fillLog(adminUrl, orgId, 2_000);
    await complete();
    notInterleaved();
  });

  it('is taken over within 15 seconds from a worker that is killed, and nothing is missing', async () => {
    await fillLog(adminUrl, orgId, 20_000);
    const before = receiver.first.length;
    await until(async () => receiver.first.length > before + 500);
    const first = await until(async () => (await holder()) ?? undefined);
    // Which of the two it is shows when it is gone.
    await workers[0]?.kill9();
    await fillLog(adminUrl, orgId, 10);
    await complete();
    if ((await holder()) === first) {
      await workers[1]?.kill9();
      workers.push(
        await startProduct({
          replicaOf: product,
          role: 'worker',
          env: { PORTCULLIS_EGRESS_ALLOW: '127.0.0.0/8' },
        }),
      );
    }
    await fillLog(adminUrl, orgId, 10);
    const cheapest = async () => {
      expectAnswer(await product.api.get('/health'), 200);
      await run(adminUrl, 'SELECT 1');
    };
    const { ms, machine } = await beside(cheapest, complete);
    expect(ms - machine).toBeLessThan(15_000);
    expect(await holder()).not.toBe(first);
    notInterleaved();
  });

  it('survives the death of PostgreSQL in mid-flight', async () => {
    await fillLog(adminUrl, orgId, 20_000);
    const before = receiver.first.length;
    await until(async () => receiver.first.length > before + 500);
    // As the server is when one of its processes is killed: every connection ends, and it recovers by itself.
    const looking = new pg.Client({ connectionString: adminUrl });
    looking.on('error', () => undefined);
    await looking.connect();
    const { rows } = await looking.query(
      `SELECT pid FROM pg_stat_activity WHERE application_name = 'portcullis system' LIMIT 1`,
    );
    // Until the server has noticed, it still takes connections, and cuts them a moment later.
    const crashed = new Promise((resolve) => void looking.once('end', resolve));
    process.kill(Number(rows[0].pid), 'SIGKILL');
    await crashed;
    await until(() => head().catch(() => undefined));
    await complete();
    notInterleaved();
  });
});
