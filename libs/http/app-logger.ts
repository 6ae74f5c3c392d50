import type { LoggerService } from '@nestjs/common';
import { pino } from 'pino';
import { redact, redactText } from './redact.ts';

/** Where log lines go: a file descriptor's batched writer, or a test's array. */
export interface LogSink {
  write(line: string): unknown;
  /** Writes out what waits, before the process ends. */
  flushSync?(): void;
}

/** Bytes that make a batch, and milliseconds the first line of one waits at most. */
const BATCH = 128 * 1024;
const MAX_WAIT = 1000;

/**
 * A sink that writes lines in batches, for a write costs as much as many lines. It gathers them as bytes, each line
 * at once: a text made of a thousand joined texts has to be put together when it is written, long after its parts
 * left the processor's cache, and that cost more than all else the log does. What waits when the process exits is
 * written then. `to` is a file descriptor or path; 1 is standard output.
 */
export function batchedSink(to: number | string = 1): LogSink {
  const file = pino.destination({
    dest: to,
    sync: false,
    contentMode: 'buffer',
    // It begins to write when it is told and not before, so that flushSync finds the bytes still here.
    minLength: BATCH + 1,
    maxWrite: 2 * BATCH,
    periodicFlush: MAX_WAIT,
  });
  let batch = Buffer.allocUnsafeSlow(BATCH);
  let used = 0;
  let timer: NodeJS.Timeout | undefined;
  const handOver = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (used === 0) return;
    // The file holds on to the bytes until they are written, so the next batch is another buffer.
    file.write(batch.subarray(0, used) as unknown as string);
    batch = Buffer.allocUnsafeSlow(BATCH);
    used = 0;
  };
  const writeOut = (): void => {
    handOver();
    file.flush();
  };
  const flushSync = (): void => {
    handOver();
    file.flushSync();
  };
  process.once('exit', () => {
    try {
      flushSync();
    } catch {
      // The file was never opened, so there is nowhere to write to.
    }
  });
  return {
    write: (line) => {
      // UTF-8 needs at most three bytes for a UTF-16 code unit.
      if (line.length * 3 > BATCH - used) writeOut();
      if (line.length * 3 > BATCH) file.write(Buffer.from(line) as unknown as string);
      else used += batch.write(line, used);
      timer ??= setTimeout(writeOut, MAX_WAIT).unref();
    },
    flushSync,
  };
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevelName = (typeof LEVELS)[number];

/**
 * The log of the application, one JSON object per line, as Nest's LoggerService. Nothing goes through unredacted:
 * see `redact`. Errors are written at once, for the process may be about to die of them.
 */
export class AppLogger implements LoggerService {
  private readonly pino: pino.Logger;

  constructor(
    readonly sink: LogSink = batchedSink(),
    level: LogLevelName = 'info',
  ) {
    this.pino = pino(
      {
        level,
        base: null,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
      },
      sink as pino.DestinationStream,
    );
  }

  log(message: unknown, ...rest: unknown[]): void {
    this.write(isStartChatter(rest.at(-1)) ? 'debug' : 'info', message, rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.write('warn', message, rest);
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.write('error', message, rest);
    this.flush();
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.write('fatal', message, rest);
    this.flush();
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.write('trace', message, rest);
  }

  /** Writes out what waits. A sink that is not open yet has nothing to write to; its exit hook comes later. */
  flush(): void {
    try {
      this.sink.flushSync?.();
    } catch {
      // Logging must not be what brings a request down.
    }
  }

  /** Nest passes `(message, ...details, context)`, the context a text. */
  private write(level: LogLevelName, message: unknown, rest: unknown[]): void {
    if (!this.pino.isLevelEnabled(level)) return;
    const last = rest.at(-1);
    const context = typeof last === 'string' ? last : undefined;
    const details = (context === undefined ? rest : rest.slice(0, -1)).filter((one) => one !== undefined);
    const fields: Record<string, unknown> = {};
    if (context !== undefined) fields['context'] = redactText(context);
    if (details.length > 0) fields['details'] = redact(details.length === 1 ? details[0] : details);
    if (typeof message === 'string') {
      this.pino[level](fields, redactText(message));
    } else {
      if (message instanceof Error) fields['error'] = redact(message);
      else fields['message'] = redact(message);
      this.pino[level](fields);
    }
  }
}

/** A hundred lines of Nest's at every start: each module and each route. The set-up URL would drown in them. */
function isStartChatter(context: unknown): boolean {
  return context === 'InstanceLoader' || context === 'RoutesResolver' || context === 'RouterExplorer';
}
