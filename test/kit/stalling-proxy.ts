import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

interface Pair {
  /** `application_name` of the client, which stands readable in PostgreSQL's first message. */
  readonly name: string;
  readonly client: Socket;
  readonly server: Socket;
}

/**
 * A TCP proxy before PostgreSQL that can fall silent without closing anything, as a network does whose packets
 * are dropped: for all connections, or for those of one name.
 */
export class StallingProxy {
  /** Messages from clients that went through, by name. */
  readonly sent = new Map<string, number>();
  readonly #pairs = new Set<Pair>();
  readonly #forgotten = new Set<Pair>();
  readonly #waiting = new Set<() => void>();
  #stalls: (name: string) => boolean = () => false;

  private constructor(
    private readonly server: Server,
    private target: URL,
  ) {
    server.on('connection', (client) => this.#accept(client));
  }

  static async before(databaseUrl: string): Promise<StallingProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new StallingProxy(server, new URL(databaseUrl));
  }

  /** The database's URL through this proxy. */
  get url(): string {
    const url = new URL(this.target);
    url.hostname = '127.0.0.1';
    url.port = String((this.server.address() as { port: number }).port);
    return url.href;
  }

  /** From now on nothing passes on these connections, nor on new ones of their kind. */
  stall(which: (name: string) => boolean = () => true): void {
    this.#stalls = which;
    for (const { name, client, server } of this.#pairs) {
      if (!which(name)) continue;
      client.pause();
      server.pause();
    }
  }

  /** What is open now stays silent for ever, as when a firewall forgot it; new connections pass. */
  forget(): void {
    for (const pair of this.#pairs) {
      pair.client.pause();
      pair.server.pause();
      this.#forgotten.add(pair);
    }
    this.#pairs.clear();
  }

  /** Where new connections go. */
  lead(databaseUrl: string): void {
    this.target = new URL(databaseUrl);
  }

  resume(): void {
    this.#stalls = () => false;
    for (const { client, server } of this.#pairs) {
      client.resume();
      server.resume();
    }
    for (const go of this.#waiting) go();
    this.#waiting.clear();
  }

  async close(): Promise<void> {
    this.resume();
    this.server.close();
    for (const { client, server } of [...this.#pairs, ...this.#forgotten]) {
      client.destroy();
      server.destroy();
    }
    await once(this.server, 'close');
  }

  #accept(client: Socket): void {
    client.on('error', () => undefined);
    client.once('data', (first) => {
      client.pause();
      const name = /application_name\0([^\0]*)/.exec(first.toString('latin1'))?.[1] ?? '';
      const go = () => this.#join(name, client, first);
      if (this.#stalls(name)) this.#waiting.add(go);
      else go();
    });
  }

  #join(name: string, client: Socket, first: Buffer): void {
    const server = connect(Number(this.target.port || 5432), this.target.hostname);
    const pair = { name, client, server };
    this.#pairs.add(pair);
    server.on('error', () => undefined);
    server.write(first);
    client.on('data', (chunk) => {
      this.sent.set(name, (this.sent.get(name) ?? 0) + 1);
      server.write(chunk);
    });
    server.on('data', (chunk) => void client.write(chunk));
    client.on('close', () => {
      this.#pairs.delete(pair);
      server.destroy();
    });
    server.on('close', () => client.destroy());
    if (!this.#stalls(name)) client.resume();
  }
}
