import type { Setting } from '#kernel';
import { type Purpose, type PurposeKind, purposeKinds } from '../secret-store.ts';

/** How old a value may be that is served without the store. Milliseconds. */
export interface SecretAge {
  /** Until then it is served without asking. */
  readonly refreshMs: number;
  /** Until then it is served where the store was asked and said nothing; after it nothing is. */
  readonly maxStaleMs: number;
}

export type SecretAges = Readonly<Record<PurposeKind, SecretAge>>;

const LONGEST_REFRESH = 3_600;
const LONGEST_STALE = 86_400;

/** What proves somebody is held for the shortest time; what delivers goes on through an outage of some minutes. */
const seconds: Readonly<Record<PurposeKind, readonly [refresh: number, maxStale: number]>> = {
  sink: [60, 900],
  webhook: [60, 300],
  identity_provider: [30, 60],
  mail: [60, 600],
  command: [15, 30],
  events: [60, 900],
};

export const secretAges: SecretAges = agesOf(seconds);

export function ageOf(ages: SecretAges, purpose: Purpose): SecretAge {
  return ages[purpose.slice(0, purpose.indexOf(':')) as PurposeKind];
}

export const secretAgeSettings: { readonly secretAges: Setting<SecretAges> } = {
  secretAges: {
    variable: 'PORTCULLIS_SECRET_AGES',
    description:
      'How long values of a store that lies elsewhere are used without asking it, and while it does not answer.',
    read: readSecretAges,
  },
};

/** `sink=60/900,mail=60/600`: seconds until the store is asked again, and until nothing is served without it. */
export function readSecretAges(text: string | undefined): SecretAges {
  const read = { ...seconds };
  const parts = (text ?? '').split(',').map((part) => part.trim());
  for (const part of parts.filter((one) => one !== '')) {
    const [, kind, refresh, maxStale] = /^([a-z_]+)=(\d{1,5})\/(\d{1,5})$/.exec(part) ?? [];
    const known = purposeKinds.find((one) => one === kind);
    if (known === undefined) {
      throw new Error(`must be <kind>=<refresh>/<max stale> with commas; kinds: ${purposeKinds.join(', ')}`);
    }
    const [from, to] = [Number(refresh), Number(maxStale)];
    if (from > LONGEST_REFRESH || to > LONGEST_STALE || from > to) {
      throw new Error(
        `must have refresh <= ${LONGEST_REFRESH} s, max stale <= ${LONGEST_STALE} s and not below refresh`,
      );
    }
    read[known] = [from, to];
  }
  return agesOf(read);
}

function agesOf(given: typeof seconds): SecretAges {
  const entries = purposeKinds.map((kind): [PurposeKind, SecretAge] => {
    const [refresh, maxStale] = given[kind];
    return [kind, { refreshMs: refresh * 1_000, maxStaleMs: maxStale * 1_000 }];
  });
  return Object.fromEntries(entries) as unknown as SecretAges;
}
