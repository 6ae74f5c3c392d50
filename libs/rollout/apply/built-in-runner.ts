import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Egress, OutboundHttp } from '#egress';
import type { Json } from '#kernel';
import { type StepCommand, type StepOrder, type StepOutcome, StepRunner } from './step-runner.ts';

type Arguments = { readonly [name: string]: Json };

interface Command extends StepCommand {
  readonly run: (order: StepOrder, signal: AbortSignal) => Promise<StepOutcome>;
}

const LONGEST_WAIT = 30;
const ANSWER_MS = 20_000;

/** What was certainly not sent: nothing happened. Whatever else failed may have happened. */
const NOT_SENT = new Set(['name_unknown', 'target_denied', 'tls_required', 'ECONNREFUSED']);

/** The commands there are without the execution room: waiting, recording, and calling over HTTP. */
@Injectable()
export class BuiltInRunner extends StepRunner {
  readonly #commands: ReadonlyMap<string, Command>;

  constructor(egress: Egress) {
    super();
    const commands = [
      noop,
      wait,
      httpCommand('http.get', 'GET', egress),
      httpCommand('http.put', 'PUT', egress),
      httpCommand('http.post', 'POST', egress),
    ];
    this.#commands = new Map(commands.map((command) => [command.name, command]));
  }

  override command(name: string): StepCommand | undefined {
    return this.#commands.get(name);
  }

  override run(order: StepOrder, signal: AbortSignal): Promise<StepOutcome> {
    const command = this.#commands.get(order.command);
    return command
      ? command.run(order, signal)
      : Promise.resolve({ state: 'failed', code: 'unknown_command' });
  }
}

/** Only leaves its record: a plan that says what a person does by hand. */
const noop: Command = {
  name: 'noop.record',
  version: '1',
  effect: 'none',
  idempotent: true,
  faultOf: (given) =>
    only(given, ['note']) ??
    (given['note'] === undefined || typeof given['note'] === 'string' ? undefined : 'note must be text'),
  run: () => Promise.resolve({ state: 'succeeded' }),
};

const wait: Command = {
  name: 'wait',
  version: '1',
  effect: 'none',
  idempotent: true,
  faultOf: (given) => {
    const { seconds } = given;
    const fits = typeof seconds === 'number' && seconds >= 0 && seconds <= LONGEST_WAIT;
    return only(given, ['seconds']) ?? (fits ? undefined : `seconds must be from 0 to ${LONGEST_WAIT}`);
  },
  run: async ({ arguments: { seconds } }, signal) => {
    await sleep(Number(seconds) * 1000, null, { signal });
    return { state: 'succeeded' };
  },
};

/**
 * Calls a URL through the guard of addresses. GET changes nothing, PUT may be repeated (RFC 9110 section 9.2.2), POST
 * may not. Every call says its Idempotency-Key, the rollout, the target, and the fence of the lock it acts under.
 */
function httpCommand(name: string, method: 'GET' | 'PUT' | 'POST', egress: Egress): Command {
  return {
    name,
    version: '1',
    effect: method === 'GET' ? 'none' : 'host_change',
    idempotent: method !== 'POST',
    faultOf: (given) => urlFault(given) ?? only(given, method === 'GET' ? ['url'] : ['url', 'body']),
    run: async (order, signal) => {
      const http = new OutboundHttp(egress, ANSWER_MS);
      const { url, body = {} } = order.arguments;
      try {
        const question = {
          method,
          url: new URL(url as string),
          headers: headersOf(order),
          ...(method !== 'GET' && { body: Buffer.from(JSON.stringify(body)) }),
        };
        const answer = await http.ask(question, signal);
        const isGood = answer.status >= 200 && answer.status < 300;
        return { state: isGood ? 'succeeded' : 'failed', code: `http_${answer.status}` };
      } catch (error) {
        return failureOf(error);
      } finally {
        http.close();
      }
    },
  };
}

function headersOf({ key, rolloutId, target }: StepOrder): Record<string, string> {
  return {
    'content-type': 'application/json',
    'idempotency-key': key,
    'x-portcullis-rollout': rolloutId,
    ...(target && { 'x-portcullis-target': target.id, 'x-portcullis-fence': target.fence }),
  };
}

function failureOf(error: unknown): StepOutcome {
  const { code = 'failed' } = (error ?? {}) as { code?: string };
  return { state: NOT_SENT.has(code) ? 'failed' : 'unknown', code };
}

function urlFault({ url }: Arguments): string | undefined {
  if (typeof url !== 'string' || url.length > 2_000 || !URL.canParse(url)) return 'url must be a URL';
  const { protocol, username, password } = new URL(url);
  if (!['http:', 'https:'].includes(protocol)) return 'url must begin with https:// or http://';
  return username === '' && password === '' ? undefined : 'url must hold no credentials';
}

function only(given: Arguments, names: readonly string[]): string | undefined {
  const other = Object.keys(given).find((name) => !names.includes(name));
  return other === undefined ? undefined : `takes only ${names.join(' and ')}`;
}
