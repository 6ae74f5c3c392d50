import { Fault, StartError } from '#kernel';
import { SecretFault } from '../secrets.faults.ts';
import { VaultFailure } from './failure.ts';

/** What callers are told. Throws again what nobody foresaw. */
export function asFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  if (error instanceof VaultFailure) return error.toFault();
  // A file that a login needs: its path and the rule, or what the system says.
  if (error instanceof StartError || (error instanceof Error && 'syscall' in error))
    return SecretFault.unavailable({ detail: error.message, retryAfter: 5 });
  throw error;
}
