import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request as it came. */
export interface Received {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** What becomes of a request: answered here, or swallowed where nothing is done. */
export type Behaviour = (request: Received, response: ServerResponse) => void | Promise<void>;

/** An HTTP receiver whose behaviour a spec changes as it goes. */
export class HttpReceiver {
  readonly requests: Received[] = [];
  readonly #server = createServer((request, response) => void this.#take(request, response));
  behaviour: Behaviour;

  private constructor(behaviour: Behaviour) {
    this.behaviour = behaviour;
  }

  static async start(behaviour: Behaviour = accept): Promise<HttpReceiver> {
    const made = new HttpReceiver(behaviour);
    made.#server.listen(0, '127.0.0.1');
    await once(made.#server, 'listening');
    return made;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    } catch {
      return; // whoever sent it has gone
    }
    const body = Buffer.concat(chunks).toString();
    const received = { path: request.url ?? '', headers: request.headers, body };
    this.requests.push(received);
    await this.behaviour(received, response);
  }
}

export const accept: Behaviour = (_request, response) => void response.writeHead(204).end();
export const answer =
  (status: number, headers: Record<string, string> = {}): Behaviour =>
  (_request, response) =>
    void response.writeHead(status, headers).end('{}');
export const hang: Behaviour = () => undefined;
/** A byte of an answer now and then, for ever. */
export const dribble: Behaviour = (_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  const timer = setInterval(() => response.write(' '), 20);
  response.once('close', () => clearInterval(timer));
};
/** Closes in the middle of the answer. */
export const breakOff: Behaviour = (_request, response) => {
  response.writeHead(200, { 'content-length': '1000' });
  response.write('{');
  setTimeout(() => response.destroy(), 5);
};
