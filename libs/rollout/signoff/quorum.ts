/** Who must sign. Pure; who is eligible is asked of the database at the moment it matters. */

/** `count` different people; of one role where `role` names it. */
export interface Slot {
  readonly count: number;
  readonly role?: string | undefined;
}

/** Met when every slot of any one alternative is filled: OR of ANDs. */
export interface Quorum {
  readonly anyOf: readonly { readonly allOf: readonly Slot[] }[];
}

export interface Voter {
  /** The human, not the account. */
  readonly person: string;
  /** Names of the roles this human holds now. */
  readonly roles: readonly string[];
}

/** What is still missing of the alternative that lacks least; empty where the quorum is met. */
export function missing(quorum: Quorum, voters: readonly Voter[]): Slot[] {
  const lacking = quorum.anyOf.map(({ allOf }) => unfilled(allOf, distinct(voters)));
  const least = lacking.sort((a, b) => seatsOf(a) - seatsOf(b))[0];
  // No alternative is no way to meet it, and no slot at all would be met by nobody.
  return least ?? [{ count: 1 }];
}

export function isMet(quorum: Quorum, voters: readonly Voter[]): boolean {
  return missing(quorum, voters).length === 0;
}

/** Fewest people any alternative asks for. */
export function leastPeople(quorum: Quorum): number {
  return Math.min(...quorum.anyOf.map(({ allOf }) => seatsOf(allOf)));
}

const seatsOf = (slots: readonly Slot[]): number => slots.reduce((sum, { count }) => sum + count, 0);

/** One voter per human, with the roles of all their accounts. */
function distinct(voters: readonly Voter[]): Voter[] {
  const people = new Map<string, Set<string>>();
  for (const { person, roles } of voters) {
    const known = people.get(person) ?? new Set();
    for (const role of roles) known.add(role);
    people.set(person, known);
  }
  return [...people].map(([person, roles]) => ({ person, roles: [...roles] }));
}

/**
 * Seats people so that as many seats as possible are filled, each human on one seat at most (a matching by augmenting
 * paths: somebody seated may move so that another fits). Answers the slots that stay open.
 */
function unfilled(slots: readonly Slot[], voters: readonly Voter[]): Slot[] {
  const seats = slots.flatMap(({ count, role }) => Array.from({ length: count }, () => role));
  if (seats.length === 0) return [{ count: 1 }];
  const seated = new Map<number, Voter>();
  const seat = (voter: Voter, tried: Set<number>): boolean => {
    for (const [index, role] of seats.entries()) {
      if (tried.has(index) || (role !== undefined && !voter.roles.includes(role))) continue;
      tried.add(index);
      const sitting = seated.get(index);
      if (sitting === undefined || seat(sitting, tried)) {
        seated.set(index, voter);
        return true;
      }
    }
    return false;
  };
  for (const voter of voters) seat(voter, new Set());
  const open = new Map<string | undefined, number>();
  for (const [index, role] of seats.entries()) {
    if (!seated.has(index)) open.set(role, (open.get(role) ?? 0) + 1);
  }
  return [...open].map(([role, count]) => ({ count, ...(role !== undefined && { role }) }));
}
