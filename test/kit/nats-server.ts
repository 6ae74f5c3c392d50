import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager, type NextMsgRequest, type SeqMsgRequest } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { until } from './until.ts';
import { freePort } from './ports.ts';

const program = ['/usr/sbin/nats-server', '/usr/local/bin/nats-server', '/usr/bin/nats-server'].find((path) =>
  existsSync(path),
);

/** Why there can be no NATS here, for the message of a skipped test; undefined where there can. */
export const natsMissing =
  program === undefined ? 'nats-server is not installed (Debian: apt-get install nats-server)' : undefined;

/** A message as the stream holds it. */
export interface Stored {
  readonly sequence: number;
  readonly subject: string;
  readonly id: string;
  readonly text: string;
}

/** A real nats-server with JetStream on a port of its own; it can be killed and started again on what it stored. */
export class NatsServer {
  #child: ChildProcess | undefined;

  private constructor(
    readonly port: number,
    private readonly dir: string,
  ) {}

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** `configuration` is added to the server's own. */
  static async start(configuration = ''): Promise<NatsServer> {
    const server = new NatsServer(await freePort(), await mkdtemp(join(tmpdir(), 'portcullis-nats-')));
    await server.restart(configuration);
    return server;
  }

  async restart(configuration = ''): Promise<void> {
    if (program === undefined) throw new Error(natsMissing);
    const file = join(this.dir, 'nats.conf');
    await writeFile(
      file,
      `host: "127.0.0.1"\nport: ${this.port}\njetstream { store_dir: "${join(this.dir, 'store')}" }\n${configuration}\n`,
    );
    let log = '';
    const child = spawn(program, ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (log += text));
    this.#child = child;
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`nats-server ended: ${log}`);
      return log.includes('Server is ready');
    });
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  /** Neither answers nor goes away, until `thaw`. */
  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    this.thaw();
    await this.kill();
    await rm(this.dir, { recursive: true, force: true });
  }

  /** Everything a stream holds below a subject, in its order. */
  async stored(stream: string, subject: string): Promise<Stored[]> {
    const connection = await connect({ servers: this.url, reconnect: false });
    try {
      const { streams } = await jetstreamManager(connection);
      const found: Stored[] = [];
      for (let at = 1; ;) {
        const next: SeqMsgRequest & NextMsgRequest = { seq: at, next_by_subj: subject };
        const message = await streams.getMessage(stream, next);
        if (!message) return found;
        const { seq: sequence } = message;
        const id = message.header.get('Nats-Msg-Id');
        found.push({ sequence, subject: message.subject, id, text: message.string() });
        at = sequence + 1;
      }
    } finally {
      await connection.close();
    }
  }
}
