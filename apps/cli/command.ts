import type { Readable, Writable } from 'node:stream';
import type { parseArgs, ParseArgsOptionsConfig } from 'node:util';

/** What a command ends with; each is documented in its help. */
export const exitCode = {
  done: 0,
  /** What was to be shown is not so. */
  refuted: 1,
  usage: 2,
  unreachable: 3,
} as const;

export type ExitCode = (typeof exitCode)[keyof typeof exitCode];

/** Where a command reads and writes. */
export interface Terminal {
  readonly input: Readable;
  readonly output: Writable;
  readonly errors: Writable;
}

export type Options = ReturnType<typeof parseArgs>['values'];

export interface Command {
  /** The words it is called by, as `audit verify`. */
  readonly name: string;
  /** One line. */
  readonly summary: string;
  readonly help: string;
  readonly options: ParseArgsOptionsConfig;
  run(options: Options, files: readonly string[], terminal: Terminal): Promise<ExitCode>;
}

/** The command was called in a way that makes no sense. */
export class UsageError extends Error {}

/** Something cannot be read or reached. */
export class Unreachable extends Error {}

export function textOf(options: Options, name: string): string | undefined {
  const value = options[name];
  return typeof value === 'string' ? value : undefined;
}

export function textsOf(options: Options, name: string): string[] {
  const value = options[name];
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}

/** A whole number from 0 on; throws UsageError for another. */
export function wholeOf(options: Options, name: string): number | undefined {
  const text = textOf(options, name);
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`--${name} takes a whole number`);
  return Number(text);
}
