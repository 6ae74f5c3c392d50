/** What is understood of the texts of errors. They may repeat what was sent, so none is kept. */
const KNOWN = {
  cas_mismatch: /check-and-set parameter did not match/,
  cas_required: /check-and-set parameter required/,
  bad_wrapping_token: /wrapping token is not valid|does not exist/,
  bad_credentials: /invalid (role|secret|jwt|credentials)|audience|claim|expired|missing client token/i,
  sealed: /sealed/i,
} as const;

export type KnownError = keyof typeof KNOWN;

/** An answer of the server. It shows its status alone: what it holds may be a secret or a token. */
export class Reply {
  readonly #body: unknown;
  /** The first word of an error that is known. */
  readonly error: KnownError | undefined;

  constructor(
    readonly status: number,
    body: unknown,
    /** Seconds after which the server wants to be asked again. */
    readonly retryAfter?: number,
  ) {
    this.#body = body;
    const errors: unknown = record(body)['errors'];
    const text = Array.isArray(errors) ? errors.join('\n') : '';
    this.error = (Object.keys(KNOWN) as KnownError[]).find((known) => KNOWN[known].test(text));
  }

  /** The whole body. Empty where there was none. */
  get body(): Readonly<Record<string, unknown>> {
    return record(this.#body);
  }

  /** What most answers hold below `data`. Also of a 404: that of a deleted version tells of it. */
  get data(): Readonly<Record<string, unknown>> {
    return record(this.body['data']);
  }
}

/** A JSON object as it is, and an empty one for anything else. */
export function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}
