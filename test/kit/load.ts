import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Product } from './app.ts';
import { until } from './until.ts';

/** One answered request. Times are of this process' monotonic clock. */
export interface Sample {
  readonly replica: number;
  readonly sentAt: number;
  readonly answeredAt: number;
  /** 0 where there was no answer. */
  readonly status: number;
  readonly code: string | undefined;
}

/** A credential and the route it is used on. */
export interface Use {
  readonly name: string;
  readonly token: string;
  readonly path: string;
}

/** One request over `agent`; `sentAt` is taken before the first byte leaves. */
export function ask(product: Product, replica: number, use: Use, agent: Agent): Promise<Sample> {
  return new Promise((resolve) => {
    const sentAt = performance.now();
    const done = (status: number, code?: string) =>
      resolve({ replica, sentAt, answeredAt: performance.now(), status, code });
    const outgoing = request(
      {
        host: '127.0.0.1',
        port: product.port,
        path: `/api/v1${use.path}`,
        agent,
        headers: { authorization: `Bearer ${use.token}` },
      },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', () => done(0));
        answer.on('end', () => {
          const status = answer.statusCode ?? 0;
          done(status, status < 400 ? undefined : codeOf(Buffer.concat(chunks).toString()));
        });
      },
    );
    outgoing.on('error', () => done(0));
    outgoing.end();
  });
}

function codeOf(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { code?: string }).code;
  } catch {
    return undefined;
  }
}

/** Keep-alive loops of every credential against every replica, from `start` to `stop`; at most five minutes. */
export class Load {
  readonly samples = new Map<string, Sample[]>();
  readonly #agent = new Agent({ keepAlive: true });
  readonly #loops: Promise<void>[] = [];
  readonly #until = performance.now() + 300_000;
  #stopped = false;

  constructor(
    private readonly replicas: readonly Product[],
    private readonly pauseMs = 4,
  ) {}

  add(use: Use): void {
    const samples: Sample[] = [];
    this.samples.set(use.name, samples);
    this.replicas.forEach((product, replica) => this.#loops.push(this.#loop(product, replica, use, samples)));
  }

  of(name: string): Sample[] {
    return this.samples.get(name) ?? [];
  }

  /** Waits until every use was answered more than `count` times on every replica by a request sent after `at`. */
  async seen(names: readonly string[], count: number, at = 0): Promise<void> {
    const enough = (name: string): boolean =>
      this.replicas.every(
        (_, replica) =>
          this.of(name).filter((one) => one.replica === replica && one.sentAt > at).length > count,
      );
    await until(async () => names.every(enough), 120_000);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loops);
    this.#agent.destroy();
  }

  async #loop(product: Product, replica: number, use: Use, samples: Sample[]): Promise<void> {
    while (!this.#stopped && performance.now() < this.#until) {
      samples.push(await ask(product, replica, use, this.#agent));
      await sleep(this.pauseMs);
    }
  }
}
