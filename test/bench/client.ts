import { Agent, request } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly body: Buffer;
  readonly headers: NodeJS.Dict<string | string[]>;
  /** Milliseconds from sending to the last byte. */
  readonly ms: number;
}

/** A client on kept connections, light enough to measure with. */
export class Client {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: Infinity });

  constructor(readonly port: number) {}

  call(method: string, path: string, token?: string, body?: unknown): Promise<Answer> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers: Record<string, string> = {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(text !== undefined && {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(text)),
      }),
    };
    const sentAt = performance.now();
    return new Promise((resolve, reject) => {
      const sent = request(
        { host: '127.0.0.1', port: this.port, method, path, headers, agent: this.#agent },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              body: Buffer.concat(chunks),
              headers: response.headers,
              ms: performance.now() - sentAt,
            }),
          );
        },
      );
      sent.on('error', reject);
      sent.end(text);
    });
  }

  /** The parsed body; throws unless the status is the one expected. */
  async expect<T>(status: number, method: string, path: string, token?: string, body?: unknown): Promise<T> {
    const answer = await this.call(method, path, token, body);
    if (answer.status !== status) {
      throw new Error(`${method} ${path} answered ${answer.status}: ${answer.body.toString().slice(0, 500)}`);
    }
    return (answer.body.length > 0 ? JSON.parse(answer.body.toString()) : undefined) as T;
  }

  close(): void {
    this.#agent.destroy();
  }
}
