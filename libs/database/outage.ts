/** Codes of sockets and name resolution that say the other side is not there. */
const SOCKET = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/**
 * SQLSTATE (PostgreSQL, appendix A) of a server that cannot serve now: connection lost, out of resources, shutting
 * down or starting, a lock or a statement that took too long.
 */
const SQLSTATES = new Set(['57P01', '57P02', '57P03', '55P03', '57014', '25006']);

/** What node-postgres and TypeORM say without a code. */
const MESSAGES = [
  'timeout exceeded when trying to connect',
  'Connection terminated',
  'Query read timeout',
  'Client was closed and is not queryable',
  'Client has encountered a connection error',
  'Cannot use a pool after calling end on the pool',
  'Connection is not established',
];

/** The SQLSTATE of a database error, or undefined. */
export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^[0-9][0-9A-Z]{4}$|^PC[0-9]{3}$/.test(code) ? code : undefined;
}

/** True where an error means that something we depend on is down or too busy, which a retry may mend. */
export function isOutage(error: unknown, depth = 0): boolean {
  if (!(error instanceof Error) || depth > 5) return false;
  const { code, driverError } = error as Error & { code?: unknown; driverError?: unknown };
  if (typeof code === 'string' && (SOCKET.has(code) || isDownState(code))) return true;
  if (MESSAGES.some((message) => error.message.startsWith(message))) return true;
  if (error instanceof AggregateError && error.errors.some((one) => isOutage(one, depth + 1))) return true;
  return isOutage(driverError, depth + 1) || isOutage(error.cause, depth + 1);
}

function isDownState(code: string): boolean {
  return code.length === 5 && (code.startsWith('08') || code.startsWith('53') || SQLSTATES.has(code));
}
