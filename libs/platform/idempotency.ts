import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { INTERCEPTORS_METADATA } from '@nestjs/common/constants.js';
import { createHmac } from 'node:crypto';
import { from, lastValueFrom, type Observable } from 'rxjs';
import { type AccessRequest, asksForCaller, callerOf, RouteCatalogue } from '#access';
import { Database } from '#database';
import { type Caller, canonicalJson, Fault, type Json } from '#kernel';
import { MasterKey } from '#secrets';
import { claimKey, type KeyOf, readKey, releaseKey, storeAnswer } from './idempotency.store.ts';
import { IdempotencyFault } from './platform.faults.ts';

const MUTATIONS = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);
/** Printable ASCII, as a header can carry it. */
const KEY = /^[\x21-\x7e]{1,200}$/;

type Request = AccessRequest & { method: string; url: string; body: unknown };
type Reply = { header(name: string, value: string): unknown };

/**
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a mutation that is repeated with its key, because the
 * first answer was lost, is not done again and answers the same. Keys belong to a caller and live for a day. While
 * the first request is under way, or where it died with its process, a repeat is refused: nothing is guessed.
 */
@Injectable()
export class Idempotency implements NestInterceptor {
  constructor(
    catalogue: RouteCatalogue,
    private readonly database: Database,
    private readonly masterKey: MasterKey,
  ) {
    // On the mutating routes alone: an interceptor costs, and reads are the hot path.
    for (const { method, rule, handler } of catalogue.routes) {
      if (MUTATIONS.has(method) && asksForCaller(rule)) {
        Reflect.defineMetadata(INTERCEPTORS_METADATA, [this], handler);
      }
    }
  }

  intercept(context: ExecutionContext, next: CallHandler<unknown>): Observable<unknown> {
    const request = context.switchToHttp().getRequest<Request>();
    const key = request.headers['idempotency-key'];
    if (key === undefined) return next.handle();
    return from(this.#once(key, request, context.switchToHttp().getResponse<Reply>(), next));
  }

  async #once(
    key: string | string[],
    request: Request,
    reply: Reply,
    next: CallHandler<unknown>,
  ): Promise<unknown> {
    if (typeof key !== 'string' || !KEY.test(key)) {
      const message = 'must be 1 to 200 printable characters';
      throw IdempotencyFault.bad_idempotency_key({ errors: [{ path: 'Idempotency-Key', message }] });
    }
    const caller = callerOf(request);
    const at = { orgId: caller.org.id, callerId: caller.id, key };
    const fingerprint = this.#fingerprint(request);
    const claimed = await this.database.acrossOrgsFor('idempotency', caller, (tx) =>
      claimKey(tx, at, fingerprint),
    );
    if (!claimed) return this.#answerAgain(caller, at, fingerprint, reply);
    const answer = await lastValueFrom(next.handle(), { defaultValue: undefined }).catch(
      async (error: unknown) => {
        // A refused request changed nothing and may be repeated. Of a failed one nobody knows.
        const refused = error instanceof Fault && error.kind !== 'unavailable' && error.kind !== 'internal';
        if (refused) await this.database.acrossOrgs('idempotency', (tx) => releaseKey(tx, at));
        throw error;
      },
    );
    const wrapped = this.masterKey.wrap(Buffer.from(JSON.stringify(answer ?? null)), contextOf(at));
    // Should this fail, the change stands and its caller hears so; a repeat is refused.
    await this.database
      .acrossOrgs('idempotency', (tx) => storeAnswer(tx, at, wrapped))
      .catch(() => undefined);
    return answer;
  }

  async #answerAgain(caller: Caller, at: KeyOf, fingerprint: string, reply: Reply): Promise<unknown> {
    const kept = await this.database.acrossOrgsFor('idempotency', caller, (tx) => readKey(tx, at));
    if (kept && kept.fingerprint !== fingerprint) throw IdempotencyFault.idempotency_mismatch();
    if (!kept || kept.wrapped_answer === null) throw IdempotencyFault.idempotency_running({ retryAfter: 1 });
    reply.header('idempotent-replayed', 'true');
    return JSON.parse(this.masterKey.unwrap(kept.wrapped_answer, contextOf(at)).toString()) ?? undefined;
  }

  /** Keyed: bodies hold passwords and secrets, which a stolen table must not help to guess. */
  #fingerprint({ method, url, body }: Request): string {
    return createHmac('sha256', this.masterKey.derive('idempotency'))
      .update(`${method} ${url}\n${canonicalJson((body ?? null) as Json)}`)
      .digest('base64url');
  }
}

function contextOf({ orgId, callerId, key }: KeyOf): string {
  return `idempotency:${orgId}:${callerId}:${key}`;
}
