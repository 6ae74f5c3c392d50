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

  async call(method: string, path: string, token?: string, body?: unknown): Promise<Answer> {
    const chunks: Buffer[] = [];
    const answer = await this.stream(method, path, (chunk) => chunks.push(chunk), token, body);
    return { ...answer, body: Buffer.concat(chunks) };
  }

  /** The same; the body goes to `take` as it comes. */
  stream(
    method: string,
    path: string,
    take: (chunk: Buffer) => void,
    token?: string,
    body?: unknown,
  ): Promise<Omit<Answer, 'body'>> {
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
          response.on('data', take);
          response.on('error', reject);
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
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
