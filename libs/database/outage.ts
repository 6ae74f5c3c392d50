/** SQLSTATE classes and codes that mean: the database is not there for us now, the request itself may be fine. */
const OUTAGE_STATES = ['08', '53', '57P', '58', '25006', '55P03', '57014'];
const OUTAGE_ERRNO = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
/** The driver gives these no code (node-postgres 8: pool and client). */
const OUTAGE_MESSAGES = [
  'timeout exceeded when trying to connect',
  'Connection terminated',
  'Query read timeout',
  'Client was closed and is not queryable',
  'Client has encountered a connection error and is not queryable',
  'Cannot use a pool after calling end on the pool',
  'Driver not Connected',
];

/** The SQLSTATE of a database error, or undefined. */
export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** True where the database was unreachable, full, shutting down or too slow, rather than the request wrong. */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string' && OUTAGE_ERRNO.has(code)) return true;
  const state = sqlState(error);
  if (state !== undefined) return OUTAGE_STATES.some((prefix) => state.startsWith(prefix));
  return OUTAGE_MESSAGES.some((message) => error.message.includes(message));
}
