import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type AuditEntry, bySystem } from '#audit';
import type { Database, SystemTx } from '#database';
import { type Caller, SystemClock } from '#kernel';
import {
  DEPLOYMENT,
  type OpenedSecret,
  Secret,
  type SecretReferences,
  type SecretSettings,
  type SecretStore,
} from '#secrets';
import { auditBy } from './audit.ts';

/** A store and two callers of different organizations, as a specification made them. */
export interface StoreUnderTest {
  readonly store: SecretStore;
  readonly database: Database;
  /** Over that store. */
  readonly references: SecretReferences;
  readonly caller: Caller;
  readonly stranger: Caller;
}

const settings: SecretSettings = { description: '', tags: {}, maxVersions: 10, casRequired: false };
const purpose = 'sink:conformance';

const rotated = (orgId: string, id: string): AuditEntry => ({
  ...bySystem('secret-rotation'),
  orgId,
  action: 'secret.rotation_told',
  target: { type: 'secret', id },
  outcome: 'success',
});

const revealed = ({ fields }: OpenedSecret): Record<string, string> =>
  Object.fromEntries([...fields].map(([name, secret]) => [name, secret.reveal()]));
const freshPath = (): string => `conformance/${randomUUID()}`;

/** What every store of secrets does, whichever it is. `at` gives the store once the specification has started it. */
export function conforms(at: () => StoreUnderTest): void {
  const create = (path: string, fields: Record<string, string>, more: Partial<SecretSettings> = {}) =>
    at().store.create(at().caller, path, fields, { ...settings, ...more });
  const reveal = async (path: string, version?: number) =>
    revealed(await at().store.reveal(at().caller, { path }, version));
  const resolve = async (path: string, field: string, version?: number) => {
    const reference = version === undefined ? { path, field } : { path, field, version };
    return (await at().store.resolve({ orgId: at().caller.org.id, purpose }, reference)).reveal();
  };
  const write = (path: string, fields: Record<string, string>, cas?: number) =>
    at().store.write(at().caller, { path }, fields, cas);
  const newest = async (path: string, orgId = at().caller.org.id) =>
    (
      await at().database.acrossOrgs('rollouts', (tx) => at().store.newest(tx, orgId, [path, freshPath()]))
    ).get(path);
  const refused = async (work: Promise<unknown>, code: string): Promise<void> => {
    await expect(work).rejects.toMatchObject({ code });
  };

  describe('a store of secrets', () => {
    it('gives back what was created, to a person and to the product, whatever the text is', async () => {
      const path = freshPath();
      const fields = { user: 'app', password: 'pä55 "\\\u0000\n€ 🗝', empty: '' };
      const made = await create(path, fields, { description: 'of the ledger', tags: { env: 'prod' } });
      expect(made).toMatchObject({
        path,
        currentVersion: 1,
        description: 'of the ledger',
        tags: { env: 'prod' },
      });
      expect(await reveal(path)).toEqual(fields);
      expect(await resolve(path, 'password')).toBe(fields.password);
      const { id } = made;
      expect(revealed(await at().store.reveal(at().caller, { id }))).toEqual(fields);
    });

    it('refuses a path that is taken, and one that is none', async () => {
      const path = freshPath();
      await create(path, { a: '1' });
      await refused(create(path, { a: '2' }), 'secrets.path_taken');
      await refused(create('a/../b', { a: '2' }), 'secrets.bad_path');
      await refused(create(freshPath(), {}), 'secrets.bad_fields');
      await refused(create(freshPath(), { a: 'x'.repeat(65_536) }), 'secrets.bad_fields');
      expect(await reveal(path)).toEqual({ a: '1' });
    });

    it('is what references are resolved in, in the organization they are used in', async () => {
      const path = freshPath();
      await create(path, { key: 'one' });
      const { references, caller } = at();
      const reference = `secret://${path}#key`;
      const secret = await references.resolve(caller.org.id, reference, purpose);
      expect(secret).toBeInstanceOf(Secret);
      expect([String(secret), secret.reveal()]).toEqual(['[secret]', 'one']);
      await write(path, { key: 'two' });
      expect((await references.resolve(caller.org.id, reference, purpose)).reveal()).toBe('two');
      expect((await references.resolve(caller.org.id, `${reference}@1`, purpose)).reveal()).toBe('one');
      await refused(references.resolve(DEPLOYMENT, reference, purpose), 'secrets.not_found');
      await refused(references.resolve(caller.org.id, 'one', purpose), 'secrets.bad_reference');
    });

    it('keeps versions, and opens the newest or the one that is named', async () => {
      const path = freshPath();
      await create(path, { key: 'one', old: 'x' });
      expect((await write(path, { key: 'two' })).currentVersion).toBe(2);
      expect([await reveal(path), await reveal(path, 1)]).toEqual([{ key: 'two' }, { key: 'one', old: 'x' }]);
      expect([await resolve(path, 'key'), await resolve(path, 'key', 1)]).toEqual(['two', 'one']);
      await refused(resolve(path, 'old'), 'secrets.field_not_found');
      await refused(resolve(path, 'constructor'), 'secrets.field_not_found');
      await refused(reveal(path, 3), 'secrets.version_not_found');
    });

    it('lets the oldest go when there are more versions than it keeps', async () => {
      const path = freshPath();
      await create(path, { n: '1' }, { maxVersions: 2 });
      await write(path, { n: '2' });
      await write(path, { n: '3' });
      await refused(reveal(path, 1), 'secrets.version_not_found');
      expect([await reveal(path, 2), await reveal(path)]).toEqual([{ n: '2' }, { n: '3' }]);
      const { versions } = await at().store.describe(at().caller, { path });
      expect(versions.map(({ version }) => version)).toEqual([3, 2]);
    });

    it('writes only what follows the version that cas names, and says which is the newest', async () => {
      const path = freshPath();
      await create(path, { n: '1' }, { casRequired: true });
      await refused(write(path, { n: '2' }), 'secrets.cas_required');
      await expect(write(path, { n: '2' }, 7)).rejects.toMatchObject({
        code: 'secrets.version_conflict',
        data: { currentVersion: 1 },
      });
      expect((await write(path, { n: '2' }, 1)).currentVersion).toBe(2);
      await refused(write(path, { n: '3' }, 1), 'secrets.version_conflict');
    });

    it('lets one of twenty writers win each version', async () => {
      const path = freshPath();
      await create(path, { n: 'nobody' });
      for (const cas of [1, 2]) {
        const writers = Array.from({ length: 20 }, (_, n) => `writer ${cas}.${n}`);
        const answers = await Promise.allSettled(writers.map((n) => write(path, { n }, cas)));
        const winners = writers.filter((_, index) => answers[index]?.status === 'fulfilled');
        const codes = answers.flatMap((answer) =>
          answer.status === 'rejected' ? [(answer.reason as { code: string }).code] : [],
        );
        expect(winners).toHaveLength(1);
        expect(new Set(codes)).toEqual(new Set(['secrets.version_conflict']));
        expect(await reveal(path)).toEqual({ n: winners[0] });
      }
      const { currentVersion } = await at().store.describe(at().caller, { path });
      expect(currentVersion).toBe(3);
    });

    it('hides what is deleted and brings it back, a version or the whole', async () => {
      const path = freshPath();
      const { store, caller } = at();
      await create(path, { n: '1' });
      await write(path, { n: '2' });
      await store.remove(caller, { path }, [1]);
      await refused(reveal(path, 1), 'secrets.deleted');
      expect(await reveal(path)).toEqual({ n: '2' });
      await store.undelete(caller, { path }, [1]);
      expect(await reveal(path, 1)).toEqual({ n: '1' });
      await store.remove(caller, { path });
      await refused(reveal(path), 'secrets.deleted');
      await refused(resolve(path, 'n', 1), 'secrets.deleted');
      await refused(write(path, { n: '3' }), 'secrets.deleted');
      expect((await store.describe(caller, { path })).deletedAt).toBeInstanceOf(Date);
      await store.undelete(caller, { path });
      expect([await reveal(path), await reveal(path, 1)]).toEqual([{ n: '2' }, { n: '1' }]);
      await refused(store.remove(caller, { path }, [1, 9]), 'secrets.version_not_found');
    });

    it('never gives back what is destroyed', async () => {
      const path = freshPath();
      const { store, caller } = at();
      await create(path, { n: '1' });
      await write(path, { n: '2' });
      await store.destroy(caller, { path }, [1]);
      await refused(reveal(path, 1), 'secrets.destroyed');
      await refused(store.undelete(caller, { path }, [1]), 'secrets.version_not_found');
      await refused(reveal(path, 1), 'secrets.destroyed');
      expect(await reveal(path)).toEqual({ n: '2' });
      await store.destroy(caller, { path });
      await refused(reveal(path), 'secrets.not_found');
      await create(path, { n: 'anew' });
      expect(await reveal(path)).toEqual({ n: 'anew' });
    });

    it('tells which version is the newest that can be opened, and no value', async () => {
      const path = freshPath();
      const { store, caller, stranger } = at();
      expect(await newest(path)).toBeUndefined();
      await create(path, { n: '1' });
      const first = await newest(path);
      expect(first).toEqual({ version: 1, createdAt: expect.any(Date) });
      await write(path, { n: '2' });
      expect(await newest(path)).toMatchObject({ version: 2 });
      expect(await newest(path, stranger.org.id)).toBeUndefined();
      await store.remove(caller, { path }, [2]);
      expect(await newest(path)).toBeUndefined();
      await store.undelete(caller, { path }, [2]);
      await store.remove(caller, { path });
      expect(await newest(path)).toBeUndefined();
      await store.undelete(caller, { path });
      expect(await newest(path)).toMatchObject({ version: 2 });
      await store.destroy(caller, { path }, [2]);
      expect(await newest(path)).toBeUndefined();
      // Made anew it is version 1 again, and another.
      await store.destroy(caller, { path });
      await create(path, { n: 'anew' });
      const anew = await newest(path);
      expect(anew?.version).toBe(1);
      expect(anew?.createdAt).not.toEqual(first?.createdAt);
      expect(await newest('../x')).toBeUndefined();
    });

    it('writes the next version for the product, with what goes alongside or not at all, and hides what was before', async () => {
      const path = freshPath();
      const { store, caller } = at();
      const { id: secretId } = await create(path, { user: 'app', password: 'one' });
      const orgId = caller.org.id;
      // A state table wants a record of the change; who rotates brings it.
      const record = (tx: SystemTx) => auditBy(new SystemClock()).record(tx, rotated(orgId, secretId));
      expect(await resolve(path, 'password')).toBe('one');
      const what = { orgId, secretId, field: 'password', value: 'rotated-two' };
      const done: unknown[] = [];
      await store.rotate(what, async (tx, facts) => {
        await record(tx);
        done.push(facts);
      });
      expect(done).toMatchObject([{ path, from: 1, to: 2, digests: { password: expect.any(String) } }]);
      expect([await reveal(path), await resolve(path, 'password')]).toEqual([
        { user: 'app', password: 'rotated-two' },
        'rotated-two',
      ]);
      expect([await resolve(path, 'password', 1), await resolve(path, 'user')]).toEqual(['one', 'app']);
      expect(await store.find(caller, 'rotated-two')).toMatchObject([
        { secretId, version: 2, field: 'password' },
      ]);

      const hidden: unknown[] = [];
      await store.retire({ orgId, secretId, before: 2 }, async (tx, facts) => {
        await record(tx);
        hidden.push(facts);
      });
      expect(hidden).toEqual([{ path, versions: [1] }]);
      await refused(resolve(path, 'password', 1), 'secrets.deleted');
      expect(await resolve(path, 'password')).toBe('rotated-two');

      const nothing = { ...what, secretId: randomUUID() };
      await refused(
        store.rotate(nothing, async () => undefined),
        'secrets.not_found',
      );
      const theirs = { ...what, orgId: at().stranger.org.id, value: 'theirs' };
      await refused(
        store.rotate(theirs, async () => undefined),
        'secrets.not_found',
      );
      await store.remove(caller, { path });
      await refused(
        store.rotate(what, async () => undefined),
        'secrets.deleted',
      );
    });

    it('tells of secrets without their values, by prefix and page', async () => {
      const top = freshPath();
      for (const name of ['a', 'b/c', 'b/d', 'b-2']) await create(`${top}/${name}`, { key: 'canary-value' });
      const { store, caller } = at();
      const list = async (prefix: string, limit = 10, after?: string) =>
        (await store.list(caller, { prefix, limit, ...(after === undefined ? {} : { after }) })).map(
          ({ path }) => path.slice(top.length + 1),
        );
      expect(await list(top)).toEqual(['a', 'b-2', 'b/c', 'b/d']);
      expect(await list(`${top}/b`)).toEqual(['b/c', 'b/d']);
      expect(await list(top, 2)).toEqual(['a', 'b-2']);
      expect(await list(top, 2, `${top}/b-2`)).toEqual(['b/c', 'b/d']);
      expect(await list(top.slice(0, -1))).toEqual([]);
      const told = await store.describe(caller, { path: `${top}/a` });
      expect(told.versions).toMatchObject([{ version: 1, fields: ['key'] }]);
      expect(JSON.stringify(told)).not.toContain('canary-value');
    });

    it('changes what is told of a secret, and nothing else of it', async () => {
      const path = freshPath();
      const { store, caller } = at();
      await create(path, { n: '1' }, { tags: { env: 'prod' } });
      const after = await store.update(caller, { path }, { description: 'new', maxVersions: 3 });
      expect(after).toMatchObject({
        description: 'new',
        maxVersions: 3,
        tags: { env: 'prod' },
        currentVersion: 1,
      });
      expect(await reveal(path)).toEqual({ n: '1' });
    });

    it('has no secret of one organization for another', async () => {
      const path = freshPath();
      const { store, caller, stranger } = at();
      const { id } = await create(path, { n: 'mine' });
      for (const which of [{ path }, { id }]) {
        await refused(store.reveal(stranger, which), 'secrets.not_found');
        await refused(store.describe(stranger, which), 'secrets.not_found');
        await refused(store.write(stranger, which, { n: 'theirs' }), 'secrets.not_found');
        await refused(store.remove(stranger, which), 'secrets.not_found');
        await refused(store.destroy(stranger, which), 'secrets.not_found');
      }
      const theirs = { orgId: stranger.org.id, purpose } as const;
      await refused(store.resolve(theirs, { path, field: 'n' }), 'secrets.not_found');
      expect(await store.list(stranger, { limit: 100 })).toEqual([]);
      await store.create(stranger, path, { n: 'theirs' }, settings);
      expect(await reveal(path)).toEqual({ n: 'mine' });
      expect((await store.resolve(theirs, { path, field: 'n' })).reveal()).toBe('theirs');
      expect((await store.describe(caller, { path })).id).toBe(id);
    });
  });
}
