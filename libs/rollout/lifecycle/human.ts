import type { Caller } from '#kernel';
import { RolloutFault } from '../rollout.faults.ts';

/** The human answerable for a caller: the person of the session, or the owner of the key. */
export function humanOf(caller: Caller): string {
  if (caller.userId === undefined) throw RolloutFault.needs_person();
  return caller.userId;
}

/** A person in a session of their own. Keys and service accounts, and so agents, are none. */
export function personIn(caller: Caller): { userId: string; sessionId: string } {
  const { kind, userId, sessionId } = caller;
  if (kind !== 'user' || userId === undefined || sessionId === undefined) throw RolloutFault.needs_person();
  return { userId, sessionId };
}
