import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import PostalMime, { type Email } from 'postal-mime';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { until } from './until.ts';

/** One mail as it came in. */
export interface ReceivedMail {
  /** The recipients of the envelope. */
  readonly to: readonly string[];
  readonly from: string;
  readonly subject: string;
  readonly text: string;
  readonly messageId: string;
  readonly parsed: Email;
  /** As it went over the wire. */
  readonly raw: string;
}

export interface MailServer {
  /** For PORTCULLIS_SMTP_URL. */
  readonly url: string;
  readonly port: number;
  mails(): readonly ReceivedMail[];
  /** The first mail of which this holds, within `withinMs`. */
  waitFor(holds: (mail: ReceivedMail) => boolean, withinMs?: number): Promise<ReceivedMail>;
  /** Refuses the next `times` recipients with this SMTP status; every one for Infinity. */
  refuse(status: number, times: number): void;
  /** From now on recipients wait for an answer until what this answers is called. */
  hold(): () => void;
  /** How many recipients were offered, refused ones too. */
  attempts(): number;
  close(): Promise<void>;
}

/** A real SMTP server in this process. `options` are those of smtp-server; it listens on loopback. */
export async function startMailServer(
  options: SMTPServerOptions & { host?: string } = {},
): Promise<MailServer> {
  const mails: ReceivedMail[] = [];
  let [status, times, attempts] = [0, 0, 0];
  let held: Promise<void> | undefined;
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: options.cert ? [] : ['STARTTLS'],
    logger: false,
    onRcptTo: ({ address }, _session, done) => {
      attempts += 1;
      if (held) return void held.then(() => done());
      if (times <= 0) return done();
      times -= 1;
      // As servers do, it names the recipient.
      done(Object.assign(new Error(`mailbox of ${address} refused`), { responseCode: status }));
    },
    onData: (stream, session, done) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const raw = Buffer.concat(chunks);
        const to = session.envelope.rcptTo.map(({ address }) => address);
        void PostalMime.parse(raw).then((parsed) => {
          mails.push({
            to,
            from: session.envelope.mailFrom ? session.envelope.mailFrom.address : '',
            subject: parsed.subject ?? '',
            text: parsed.text ?? '',
            messageId: parsed.messageId ?? '',
            parsed,
            raw: raw.toString(),
          });
          done();
        }, done);
      });
    },
    ...options,
  });
  // Clients that hang up are what some specs are about.
  server.on('error', () => undefined);
  const host = options.host ?? '127.0.0.1';
  const listening = server.listen(0, host);
  await once(listening, 'listening');
  const { port } = listening.address() as AddressInfo;
  return {
    url: `${options.secure ? 'smtps' : 'smtp'}://${host}:${port}`,
    port,
    mails: () => mails,
    waitFor: (holds, withinMs) => until(async () => mails.find(holds), withinMs),
    refuse: (code, count) => {
      [status, times] = [code, count];
    },
    hold: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      held = promise;
      return () => {
        held = undefined;
        resolve();
      };
    },
    attempts: () => attempts,
    close: () => new Promise((done) => server.close(() => done())),
  };
}
