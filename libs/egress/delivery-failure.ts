/** Why something did not arrive. `code` is all that is kept and shown: never words of a receiver or of an error. */
export class DeliveryFailure extends Error {
  /** The receiver will never take this: no retry helps. */
  readonly refused: boolean;
  /** Seconds after which the receiver wants to be asked again. */
  readonly retryAfter: number | undefined;

  constructor(
    readonly code: string,
    { refused = false, retryAfter, cause }: { refused?: boolean; retryAfter?: number; cause?: unknown } = {},
  ) {
    super(code, { cause });
    this.name = 'DeliveryFailure';
    this.refused = refused;
    this.retryAfter = retryAfter;
  }
}

/** The failure behind whatever a way out threw: codes of the network as they are, anything else as `failed`. */
export function asDeliveryFailure(error: unknown): DeliveryFailure {
  if (error instanceof DeliveryFailure) return error;
  const code = (error as { code?: unknown } | undefined)?.code;
  const known = typeof code === 'string' && /^[A-Z][A-Z0-9_]{2,60}$/.test(code);
  return new DeliveryFailure(known ? code.toLowerCase() : 'failed', { cause: error });
}
