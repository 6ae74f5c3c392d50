import type { ServerResponse } from 'node:http';
import type { Behaviour, Received } from './http-receiver.ts';

/** One event of a batch, as the collector's documentation shapes it. */
interface HecEvent {
  readonly time: number;
  readonly host: string;
  readonly source: string;
  readonly sourcetype: string;
  readonly index?: string;
  readonly event: unknown;
  readonly fields: Record<string, string>;
}

/**
 * Splunk's HTTP Event Collector made from its documentation, strict: another path, token, channel, content or shape
 * is refused with the collector's own codes. It is no Splunk.
 */
export class HecCollector {
  readonly indexed: HecEvent[] = [];
  readonly channels = new Set<string>();
  /** What becomes of the next batches: indexed, taken and forgotten, or taken with no acknowledgement at all. */
  mode: 'index' | 'forget' | 'no acks' | 'busy' = 'index';
  /** Looks at an acknowledgement that say false before one says true. */
  delay = 1;
  refuse: (event: HecEvent) => boolean = () => false;
  #next = 0;
  readonly #acks = new Map<string, { left: number; channel: string }>();

  constructor(private readonly token: string) {}

  readonly behaviour: Behaviour = (request, response) => {
    const { pathname } = new URL(request.path, 'http://x');
    const channel = String(request.headers['x-splunk-request-channel'] ?? '');
    if (request.headers.authorization !== `Splunk ${this.token}`)
      return reply(response, 403, 4, 'Invalid token');
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(channel)) {
      return reply(response, 400, 10, 'Data channel is missing');
    }
    this.channels.add(channel);
    if (pathname === '/services/collector/event') return this.#take(request, response, channel);
    if (pathname === '/services/collector/ack') return this.#tell(request, response, channel);
    return reply(response, 404, 404, 'Not found');
  };

  #take(request: Received, response: ServerResponse, channel: string): void {
    if (this.mode === 'busy') return reply(response, 503, 9, 'Server is busy');
    const events = readBatch(request.body);
    if (!events) return reply(response, 400, 6, 'Invalid data format');
    if (events.some(this.refuse)) return reply(response, 400, 6, 'Invalid data format');
    if (this.mode === 'no acks') return reply(response, 200, 0, 'Success');
    const ackId = this.#next++;
    if (this.mode === 'index') {
      this.indexed.push(...events);
      this.#acks.set(String(ackId), { left: this.delay, channel });
    }
    response.setHeader('set-cookie', 'node=7; Path=/');
    reply(response, 200, 0, 'Success', { ackId });
  }

  #tell(request: Received, response: ServerResponse, channel: string): void {
    if (!String(request.headers.cookie).includes('node=7'))
      return reply(response, 400, 10, 'another indexer');
    const { acks } = JSON.parse(request.body) as { acks: number[] };
    const told = acks.map((id) => {
      const ack = this.#acks.get(String(id));
      return [String(id), ack?.channel === channel && ack.left-- <= 0] as const;
    });
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ acks: Object.fromEntries(told) }));
  }
}

function reply(response: ServerResponse, status: number, code: number, text: string, more = {}): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ text, code, ...more }));
}

/** Objects of JSON one after the other; undefined where it is something else. */
function readBatch(body: string): HecEvent[] | undefined {
  const events: HecEvent[] = [];
  let depth = 0;
  let from = 0;
  const token = /"(?:[^"\\]|\\.)*"|[{}]/g;
  for (let match = token.exec(body); match; match = token.exec(body)) {
    if (match[0] === '{' && depth++ === 0) from = match.index;
    if (match[0] !== '}' || --depth > 0) continue;
    const event = JSON.parse(body.slice(from, match.index + 1)) as HecEvent;
    const flat = Object.values(event.fields).every((value) => typeof value === 'string');
    if (typeof event.time !== 'number' || event.event === undefined || event.event === '' || !flat)
      return undefined;
    events.push(event);
  }
  return depth === 0 ? events : undefined;
}
