import type { Socket } from 'node:net';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { DeliveryFailure, openSocket, tlsOptions } from '#egress';
import { Receiver, type SinkEvent } from '../delivery.ts';
import type { ReceiverParts } from '../receiver-parts.ts';
import { headerField, syslogFrame } from './syslog-frame.ts';

const MAX_FRAME = 8_192;
/** Of events that go again after a connection that did not end in order. */
export const RESEND_WINDOW = 1_000;
/**
 * A receiver that refuses a client says so after the client thinks it is connected (TLS 1.3), and a balancer without
 * anything behind it only closes: nothing counts until this long after the first write on a connection.
 */
const DOUBT_MS = 250;
const DOUBT_LOOK_MS = 25;
const CLOSE_WITHIN_MS = 3_000;

/**
 * Syslog (RFC 5424) over TLS (RFC 5425) or TCP. The protocol has no answer, so a batch is `written` when the
 * connection has taken it; only a connection that both sides close in order proves that all was read.
 */
export class SyslogReceiver extends Receiver {
  #socket: Socket | undefined;
  #lost: DeliveryFailure | undefined;
  /** When the first write is old enough (monotonic milliseconds). */
  #certainAt: number | undefined;
  readonly #sender = { hostname: headerField(hostname(), 255), procId: String(process.pid) };

  constructor(private readonly parts: ReceiverParts<'syslog'>) {
    super();
  }

  override async deliver(events: readonly SinkEvent[], signal: AbortSignal): Promise<void> {
    const socket = (this.#socket ??= await this.#open(signal));
    if (this.#lost) throw this.#lost;
    const frames = events.map((event) =>
      syslogFrame(event, this.#sender, this.parts.settings.maxFrame ?? MAX_FRAME),
    );
    await this.#write(socket, Buffer.concat(frames), signal);
    this.#certainAt ??= performance.now() + DOUBT_MS;
  }

  override get inDoubt(): boolean {
    return this.#certainAt !== undefined && performance.now() < this.#certainAt;
  }

  override async certain(signal: AbortSignal): Promise<void> {
    while (this.inDoubt && !this.#lost) await sleep(DOUBT_LOOK_MS, undefined, { signal });
    if (this.#lost) throw this.#lost;
  }

  override async close(): Promise<boolean> {
    const socket = this.#socket;
    if (!socket || this.#lost) {
      socket?.destroy();
      return false;
    }
    // The receiver closes its side when it has read everything up to the end of ours.
    const ended = new Promise<boolean>((resolve) => {
      socket.once('end', () => resolve(true));
      socket.once('close', () => resolve(false));
      socket.once('error', () => resolve(false));
    });
    socket.end();
    const inOrder = await Promise.race([ended, sleep(CLOSE_WITHIN_MS, false, { ref: false })]);
    socket.destroy();
    return inOrder;
  }

  async #open(signal: AbortSignal): Promise<Socket> {
    const { settings, egress, secret, timeoutMs } = this.parts;
    const { address } = await egress.check(settings.host);
    const secure = settings.tls ?? true;
    const tls = secure ? tlsOptions(settings, settings.host, await secret(settings.clientKey)) : undefined;
    const port = settings.port ?? (secure ? 6_514 : 601);
    const socket = await openSocket(address, port, tls, timeoutMs, signal);
    const lose = (error?: unknown): void => {
      this.#lost ??= new DeliveryFailure('connection_lost', { cause: error });
    };
    socket.once('end', () => lose());
    socket.once('close', () => lose());
    socket.on('error', lose);
    // A receiver has nothing to say; what it says anyway is thrown away, and its end is noticed.
    socket.resume();
    return socket;
  }

  /** Resolves when the connection has taken all of it. A receiver that does not read is given up after a while. */
  async #write(socket: Socket, bytes: Buffer, signal: AbortSignal): Promise<void> {
    const late = AbortSignal.timeout(this.parts.timeoutMs);
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => {
        const why = signal.aborted ? (signal.reason as Error) : new DeliveryFailure('timeout');
        this.#lost ??= new DeliveryFailure('timeout');
        socket.destroy();
        reject(why);
      };
      const ends = AbortSignal.any([signal, late]);
      ends.addEventListener('abort', stop, { once: true });
      const lost = (): void => reject(this.#lost ?? new DeliveryFailure('connection_lost'));
      socket.once('close', lost);
      socket.write(bytes, (error) => {
        ends.removeEventListener('abort', stop);
        socket.off('close', lost);
        if (error) reject(new DeliveryFailure('connection_lost', { cause: error }));
        else resolve();
      });
    });
    if (this.#lost) throw this.#lost;
  }
}
