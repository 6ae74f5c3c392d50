import { readFileSync, statSync } from 'node:fs';

/**
 * The configuration: environment variables, read once at start. Each room declares what it reads; a variable
 * that begins with PORTCULLIS_ and is declared nowhere stops the start, as does a value that breaks its rule.
 * Messages name the variable and the rule, never the value: values may be secrets.
 */

/** One environment variable. `read` gets the text (undefined where unset) and throws a rule in words. */
export interface Setting<T> {
  readonly variable: string;
  readonly description: string;
  readonly read: (text: string | undefined) => T;
}

type Settings = Record<string, Setting<unknown>>;
export type Values<S extends Settings> = {
  readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never;
};

/** A start that cannot go on, for a reason its message tells in full: shown without a stack. */
export class StartError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StartError';
  }
}

/** All faults of the configuration at once, so that one start shows them all. */
export class ConfigError extends StartError {
  constructor(readonly problems: string[]) {
    super(`the configuration is not valid:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

/** Makers of settings. `fallback` is what an unset variable means; without one the value may be undefined. */
export const setting = {
  text(variable: string, description: string, fallback?: string): Setting<string | undefined> {
    return { variable, description, read: (text) => (text === undefined || text === '' ? fallback : text) };
  },

  required(variable: string, description: string, fallback: string): Setting<string> {
    return { variable, description, read: (text) => (text === undefined || text === '' ? fallback : text) };
  },

  integer(
    variable: string,
    description: string,
    range: { min: number; max: number; fallback: number },
  ): Setting<number> {
    return {
      variable,
      description,
      read: (text) => {
        if (text === undefined || text === '') return range.fallback;
        const value = Number(text);
        if (!/^\d+$/.test(text) || value < range.min || value > range.max) {
          throw new Error(`must be a whole number from ${range.min} to ${range.max}`);
        }
        return value;
      },
    };
  },

  choice<T extends string>(
    variable: string,
    description: string,
    choices: readonly T[],
    fallback: T,
  ): Setting<T> {
    return {
      variable,
      description,
      read: (text) => {
        if (text === undefined || text === '') return fallback;
        const found = choices.find((choice) => choice === text);
        if (found === undefined) throw new Error(`must be one of ${choices.join(', ')}`);
        return found;
      },
    };
  },

  url(variable: string, description: string, protocols: readonly string[]): Setting<string | undefined> {
    return {
      variable,
      description,
      read: (text) => {
        if (text === undefined || text === '') return undefined;
        const protocol = URL.canParse(text) ? new URL(text).protocol : '';
        if (!protocols.includes(protocol)) {
          throw new Error(`must be a URL that begins with ${protocols.map((p) => `${p}//`).join(' or ')}`);
        }
        return text;
      },
    };
  },

  list(variable: string, description: string): Setting<readonly string[]> {
    return {
      variable,
      description,
      read: (text) =>
        (text ?? '')
          .split(',')
          .map((part) => part.trim())
          .filter((part) => part !== ''),
    };
  },
} as const;

const OURS = 'PORTCULLIS_';

/** Reads every declared setting. Throws a ConfigError that lists all faults. */
export function readConfig<S extends Settings>(
  settings: S,
  env: Record<string, string | undefined>,
): Values<S> {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  const declared = new Set(Object.values(settings).map((one) => one.variable));
  for (const variable of Object.keys(env)) {
    if (variable.startsWith(OURS) && !declared.has(variable)) problems.push(`${variable} is not a setting`);
  }
  for (const [name, one] of Object.entries(settings)) {
    try {
      values[name] = one.read(env[one.variable]);
    } catch (error) {
      problems.push(`${one.variable} ${error instanceof Error ? error.message : 'is not valid'}`);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return values as Values<S>;
}

/** Reads the configuration of this process. The only place that touches `process.env`. */
export function readProcessConfig<S extends Settings>(settings: S): Values<S> {
  return readConfig(settings, process.env);
}

/** The environment a child process inherits, without anything that may hold a secret of ours. */
export function childEnvironment(extra: Record<string, string> = {}): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR', 'SystemRoot', 'TEMP', 'TMP']) {
    const value = process.env[name];
    if (value !== undefined) kept[name] = value;
  }
  return { ...kept, ...extra };
}

/**
 * Reads a file that holds a secret or configuration: it must be a regular file that only its owner may write
 * and others may not read (0600 or 0640). Throws an Error that names the path and the rule.
 */
export function readPrivateFile(path: string): Buffer {
  const stat = statSync(path);
  if (!stat.isFile()) throw new StartError(`${path} must be a regular file`);
  if (process.platform !== 'win32' && (stat.mode & 0o137) !== 0) {
    throw new StartError(`${path} must have mode 0600 or 0640 (chmod 600 ${path})`);
  }
  return readFileSync(path);
}
