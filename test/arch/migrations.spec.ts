import { describe, expect, it } from 'vitest';
import { digests, FOLDER, lockProblems, readLock } from './migrations.ts';

describe('the migrations', () => {
  it('are locked, and none was edited after that', () => {
    expect(lockProblems(readLock(), digests(FOLDER))).toEqual([]);
  });

  it('cannot be edited, removed, put in before a locked one or named anyhow without notice', () => {
    const lock = { '20261122000001-create-users.ts': 'aa', '20261122000003-create-orgs.ts': 'bb' };
    expect(lockProblems(lock, lock)).toEqual([]);
    expect(lockProblems(lock, { ...lock, '20261122000001-create-users.ts': 'cc' })).toEqual([
      '20261122000001-create-users.ts was edited after it was locked',
    ]);
    expect(lockProblems(lock, { '20261122000001-create-users.ts': 'aa' })).toEqual([
      '20261122000003-create-orgs.ts is gone after it was locked',
    ]);
    expect(lockProblems(lock, { ...lock, '20261122000002-add-roles.ts': 'cc' })).toEqual([
      '20261122000002-add-roles.ts would run before 20261122000003-create-orgs.ts, which is locked',
    ]);
    expect(lockProblems(lock, { ...lock, '20261122000004-add-keys.ts': 'cc' })).toEqual([
      '20261122000004-add-keys.ts is not locked yet (see migrations.ts)',
    ]);
    expect(lockProblems({ 'Users.ts': 'aa' }, { 'Users.ts': 'aa' })).toEqual([
      'Users.ts is not named <timestamp>-<verb-noun>.ts',
    ]);
  });
});
