import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { conflicts, duties, type Duty } from './duties.ts';
import { mailboxOf, personsOf } from './people.ts';
import { isMet, leastPeople, missing, type Quorum, type Slot, type Voter } from './quorum.ts';

const person = fc.constantFrom('ann', 'bob', 'cid', 'dan', 'eve');
const role = fc.constantFrom('security', 'director', 'devops');
const voters: fc.Arbitrary<Voter[]> = fc.array(
  fc.record({ person, roles: fc.uniqueArray(role, { maxLength: 3 }) }),
  { maxLength: 7 },
);
const slot: fc.Arbitrary<Slot> = fc.record(
  { count: fc.integer({ min: 1, max: 3 }), role },
  { requiredKeys: ['count'] },
);
const quorum: fc.Arbitrary<Quorum> = fc.record({
  anyOf: fc.array(fc.record({ allOf: fc.array(slot, { minLength: 1, maxLength: 3 }) }), {
    minLength: 1,
    maxLength: 3,
  }),
});

/** The same by trying every way to seat people: slow and plainly right. */
function metByTrying({ anyOf }: Quorum, all: readonly Voter[]): boolean {
  const people = [...new Set(all.map((one) => one.person))].map((name) => ({
    name,
    roles: all.filter((one) => one.person === name).flatMap((one) => one.roles),
  }));
  const fill = (seats: (string | undefined)[], used: Set<string>): boolean => {
    const [seat, ...rest] = seats;
    if (seats.length === 0) return true;
    return people.some(
      ({ name, roles }) =>
        !used.has(name) &&
        (seat === undefined || roles.includes(seat)) &&
        fill(rest, new Set([...used, name])),
    );
  };
  return anyOf.some(({ allOf }) =>
    fill(
      allOf.flatMap((one) => Array.from({ length: one.count }, () => one.role)),
      new Set(),
    ),
  );
}

describe('a quorum', () => {
  it('is met exactly where people can be seated, each on one seat', () => {
    fc.assert(
      fc.property(quorum, voters, (asked, signed) => {
        expect(isMet(asked, signed)).toBe(metByTrying(asked, signed));
      }),
      { numRuns: 3_000 },
    );
  });

  it('is never met by fewer humans than its least alternative asks for', () => {
    fc.assert(
      fc.property(quorum, voters, (asked, signed) => {
        const humans = new Set(signed.map((one) => one.person)).size;
        if (humans < leastPeople(asked)) expect(isMet(asked, signed)).toBe(false);
      }),
    );
  });

  it('does not care how often one human signed, or in which order', () => {
    fc.assert(
      fc.property(quorum, voters, (asked, signed) => {
        const again = [...signed, ...signed].toReversed();
        expect(isMet(asked, again)).toBe(isMet(asked, signed));
      }),
    );
  });

  it('asks for a director, or for devops and security, and says what is missing', () => {
    const asked: Quorum = {
      anyOf: [
        { allOf: [{ count: 1, role: 'director' }] },
        {
          allOf: [
            { count: 1, role: 'devops' },
            { count: 1, role: 'security' },
          ],
        },
      ],
    };
    const both = [{ person: 'ann', roles: ['devops', 'security'] }];
    expect(isMet(asked, both)).toBe(false);
    expect(isMet(asked, [...both, { person: 'bob', roles: ['devops'] }])).toBe(true);
    expect(isMet(asked, [{ person: 'dan', roles: ['director'] }])).toBe(true);
    expect(missing(asked, [])).toEqual([{ count: 1, role: 'director' }]);
  });

  it('that asks for nothing is not met by anybody', () => {
    expect(isMet({ anyOf: [] }, [{ person: 'ann', roles: [] }])).toBe(false);
    expect(isMet({ anyOf: [{ allOf: [] }] }, [{ person: 'ann', roles: [] }])).toBe(false);
  });
});

describe('people', () => {
  it('are one where an administrator or the mailbox says so, over any number of steps', () => {
    const personOf = personsOf(
      [
        { userId: '1', email: 'Ann@x.example' },
        { userId: '2', email: 'ann+ops@x.example' },
        { userId: '3', email: 'other@x.example' },
        { userId: '4', email: 'bob@x.example' },
      ],
      [['3', '2']],
    );
    expect([personOf('1'), personOf('2'), personOf('3')]).toEqual(['1', '1', '1']);
    expect(personOf('4')).toBe('4');
    expect(personOf('unknown')).toBe('unknown');
    expect(mailboxOf('a+b+c@X.example')).toBe('a@x.example');
  });

  it('stay the same whatever the order of what is known', () => {
    const ids = fc.constantFrom('1', '2', '3', '4', '5');
    fc.assert(
      fc.property(fc.array(fc.tuple(ids, ids)), (links) => {
        const one = personsOf([], links);
        const other = personsOf([], links.map(([a, b]) => [b, a] as const).toReversed());
        for (const id of ['1', '2', '3', '4', '5']) expect(one(id)).toBe(other(id));
      }),
    );
  });
});

describe('duties', () => {
  it('of author and approver are kept apart whatever the policy says', () => {
    expect(conflicts('ann', 'approver', { author: new Set(['ann']) }, [])).toEqual(['author']);
    expect(conflicts('bob', 'approver', { author: new Set(['ann']) }, [])).toEqual([]);
  });

  it('conflict both ways round, and only where a pair says so', () => {
    const duty = fc.constantFrom<Duty>(...duties);
    fc.assert(
      fc.property(duty, duty, (a, b) => {
        fc.pre(a !== b);
        const found = conflicts('ann', a, { [b]: new Set(['ann']) }, [[a, b]]);
        expect(found).toEqual([b]);
        expect(conflicts('ann', a, { [b]: new Set(['bob']) }, [[b, a]])).toEqual([]);
      }),
    );
  });
});
