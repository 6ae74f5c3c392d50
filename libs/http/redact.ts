/** What stands in a log where a secret would have stood. */
export const REDACTED = '[redacted]';

/** Names of properties whose values are never logged, whatever they hold. */
const SECRET_KEY =
  /pass(?:word|wd|phrase|code)|pwd$|secret|token|authori[sz]ation|cookie|api[-_]?key|credential|private[-_]?key|assertion|otp/i;

/** Texts that are secrets by their form, and what takes their place. All are linear in the text. */
const SECRET_TEXT: readonly (readonly [RegExp, string])[] = [
  [/\beyJ[\w-]{4,}\.[\w-]+(?:\.[\w-]*)*/g, REDACTED], // JWT
  [/\bpc[a-z]_[\w.~+/=-]+/g, REDACTED], // our refresh tokens, API keys and their kin
  [/\b([a-z][a-z0-9+.-]{0,30}:\/\/)[^\s/@]*@/gi, `$1${REDACTED}@`], // user information of a URL
  [/\b(bearer|basic|dpop)\s+[\w.~+/=-]{6,}/gi, `$1 ${REDACTED}`],
  [/(-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----)[^-]*(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?/g, REDACTED],
  [
    /((?:pass(?:word|wd|phrase)?|pwd|secret|token|api[-_]?key)["']?\s{0,4}[=:]\s{0,4})(?:"[^"]*"?|'[^']*'?|[^\s,;&"'})\]]+)/gi,
    `$1${REDACTED}`,
  ],
];

const MAX_TEXT = 8 * 1024;
const MAX_DEPTH = 6;
const MAX_ITEMS = 50;

/** The text without anything that looks like a secret of ours, cut to 8 KiB. */
export function redactText(text: string): string {
  let clean = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  for (const [pattern, instead] of SECRET_TEXT) clean = clean.replace(pattern, instead);
  return clean;
}

/**
 * A copy fit for the log. Of an error only what is listed here remains, for errors of drivers carry queries,
 * parameters and rows; of other objects everything but properties with a secret's name, to a bounded depth.
 */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'function' || typeof value === 'symbol') return undefined;
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MAX_DEPTH) return '[deeper]';
  if (value instanceof Error) return redactError(value, depth);
  if (value instanceof Date) return value;
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map((item) => redact(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, MAX_ITEMS)
      .map(([key, held]) => [key, SECRET_KEY.test(key) ? REDACTED : redact(held, depth + 1)]),
  );
}

function redactError(
  error: Error & { code?: unknown; detail?: unknown; errors?: unknown },
  depth: number,
): object {
  const { name, message, stack, code, cause } = error;
  // Only a Fault's detail is ours; PostgreSQL's shows the row that was refused.
  const detail = name === 'Fault' && typeof error.detail === 'string' ? redactText(error.detail) : undefined;
  return {
    name,
    message: redactText(message),
    ...(typeof code === 'string' && { code }),
    ...(detail !== undefined && { detail }),
    ...(stack !== undefined && { stack: redactText(stack) }),
    ...(cause !== undefined && { cause: redact(cause, depth + 1) }),
    ...(error instanceof AggregateError && { errors: redact(error.errors, depth + 1) }),
  };
}
