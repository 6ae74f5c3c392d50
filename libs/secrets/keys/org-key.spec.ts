import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { MasterKey } from '../master-key.ts';
import { OrgKey } from './org-key.ts';

const masterKey = new MasterKey(randomBytes(32));
const wrapped = OrgKey.wrapped(masterKey, 'org', 'key');
const key = OrgKey.open(masterKey, 'org', 'key', wrapped);
const bound = { orgId: 'org', secretId: 'secret', path: 'a/b', version: 1 };

describe('the key of an organization', () => {
  it('opens what it encrypted, in its place', () => {
    expect(key.decrypt(key.encrypt({ n: 'x' }, bound), bound)).toEqual({ n: 'x' });
  });

  it.each([{ orgId: 'other' }, { secretId: 'other' }, { path: 'a' }, { version: 2 }])(
    'opens nothing that was moved to %j',
    (moved) => {
      const sealed = key.encrypt({ n: 'x' }, bound);
      expect(() => key.decrypt(sealed, { ...bound, ...moved })).toThrow();
    },
  );

  it('is opened by its master key for its organization alone', () => {
    for (const [org, id] of [
      ['other', 'key'],
      ['org', 'other'],
    ] as const)
      expect(() => OrgKey.open(masterKey, org, id, wrapped)).toThrow();
    expect(() => OrgKey.open(new MasterKey(randomBytes(32)), 'org', 'key', wrapped)).toThrow(
      'a master key that this process does not have',
    );
  });

  it('opens nothing of which a bit was turned', () => {
    const sealed = key.encrypt({ n: 'x' }, bound);
    for (let at = 0; at < sealed.length; at += 1) {
      const altered = Buffer.from(sealed);
      altered[at] = (altered[at] ?? 0) ^ 1;
      expect(() => key.decrypt(altered, bound)).toThrow();
    }
  });
});
