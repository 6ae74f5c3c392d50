import type { Caller, Fault, RequestFacts } from '#kernel';
import type { Opening, StepUp } from './access-rule.ts';
import { AccessFault } from './access.faults.ts';

/** What the guard sees of a request, whatever web server stands behind it. */
export interface AccessRequest {
  readonly headers: { readonly [name: string]: string | string[] | undefined };
  readonly params: unknown;
  /** Parsed; the very bytes on a route that keeps them (`@RawBody`); undefined where there are none. */
  readonly body?: unknown;
  readonly facts: RequestFacts;
  /** Memory that lives as long as the connection: a client that sends the same credential again is known by it. */
  readonly connection: { credential?: string; digest?: string };
  /** The caller the guard admitted; undefined on public routes. */
  caller?: Caller | undefined;
  /** What the signature of a request proves, on signed routes; whoever verified it knows what it is. */
  proof?: unknown;
}

/** The caller of a route that is not public: the guard has admitted one, or the request never came here. */
export function callerOf(request: AccessRequest): Caller {
  if (request.caller === undefined) throw AccessFault.undeclared();
  return request.caller;
}

/** The proof that a route asks for. */
export interface AskedProof {
  /** What the policy of the organization asks of its sessions. */
  readonly policy: boolean;
  readonly fresh: StepUp | undefined;
}

/** Turns a credential into a caller. Implemented by the room that owns sessions and keys. */
export abstract class Authenticator {
  /**
   * Answers without a promise when the authority behind the credential is cached and proven fresh.
   * Throws (or rejects with) a Fault of kind `unauthenticated`, or `unavailable` when liveness cannot be proven.
   */
  abstract authenticate(request: AccessRequest): Caller | Promise<Caller>;

  /** Rejects, with a Fault that carries a challenge, unless the caller's proof is what is asked for. */
  abstract requireProof(caller: Caller, asked: AskedProof): Promise<void>;
}

/** Verifies requests that are signed as a whole in one way. Made by the room that knows their senders. */
export interface SignatureScheme {
  /** Resolves with what the signature proves. Rejects with a Fault, of the same kind whatever is wrong. */
  verify(request: AccessRequest): Promise<object>;
}

/** The schemes that `@Signed` may name; each room adds its own while it is made. */
export class SignedRequests {
  readonly #schemes = new Map<string, SignatureScheme>();

  add(name: string, scheme: SignatureScheme): void {
    if (this.#schemes.has(name)) throw new Error(`two verify the scheme ${name}`);
    this.#schemes.set(name, scheme);
  }

  has(name: string): boolean {
    return this.#schemes.has(name);
  }

  /** Rejects where nothing verifies the scheme. */
  async verify(name: string, request: AccessRequest): Promise<object> {
    const scheme = this.#schemes.get(name);
    if (!scheme) throw AccessFault.undeclared();
    return scheme.verify(request);
  }
}

/** Tells whether the system as a whole lets a request in. Implemented by the room that owns the system state. */
export abstract class SystemGate {
  /** The fault that answers every request in this state, or undefined when the gate is open. */
  abstract refusal(request: {
    duringSetup: boolean;
    /** Whether it may change something and does not go on while the system is read-only. */
    write: boolean;
  }): Fault | undefined | Promise<Fault | undefined>;
}

/** What the operator has opened to everyone. */
export class Openings {
  readonly #open: ReadonlySet<Opening>;

  constructor(open: readonly Opening[]) {
    this.#open = new Set(open);
  }

  has(opening: Opening): boolean {
    return this.#open.has(opening);
  }
}

/** One refused request. */
export interface Denial {
  readonly fault: Fault;
  readonly request: RequestFacts;
  /** Absent where the caller could not be told. */
  readonly caller?: Caller | undefined;
}

/** Keeps the evidence of refusals. Implemented by the audit room. */
export abstract class Denials {
  /** Resolves once the record is durable; the answer waits for it. */
  abstract record(denial: Denial): Promise<void>;
}
