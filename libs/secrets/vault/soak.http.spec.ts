import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AppInProcess, MovableClock, startApp, until } from '../../../test/kit/app-in-process.ts';
import { isFullRun } from '../../../test/kit/full-run.ts';
import { callerIn, seedTenant } from '../../../test/kit/tenants.ts';
import { VaultServer } from '../../../test/kit/vault-server.ts';
import { type VaultUnderTest, vaultUnderTest } from '../../../test/kit/vault-under-test.ts';
import { CheckpointRounds } from '#audit';
import { InvalidationStream } from '#database';
import { type Caller, Fault } from '#kernel';
import { SecretStore } from '../secret-store.ts';
import { VaultStore } from './vault-store.ts';

/** All of them in the full suite; here enough to go through every state of the server. */
const RESOLUTIONS = isFullRun ? 10_000 : 1_500;
const WORKERS = 16;
const SECRETS = 12;
/** Resolutions that one state of the server lasts for. */
const PHASE = 150;
const ALLOWED = new Set([
  'secrets.unavailable',
  'secrets.store_refused',
  'secrets.deleted',
  'secrets.not_found',
  'secrets.end_unknown',
  'secrets.version_conflict',
  // Of a loaded machine, where the database has its own time limit.
  'database.unavailable',
]);

let app: AppInProcess;
let under: VaultUnderTest;
let server: VaultServer;
let callers: readonly Caller[];

beforeAll(async () => {
  under = await vaultUnderTest(false, 600);
  server = under.fake!;
  app = await startApp({ secrets: { remote: under.remote(new MovableClock()) } });
  callers = [
    callerIn(await seedTenant(app.database.adminUrl)),
    callerIn(await seedTenant(app.database.adminUrl)),
  ];
  await app.change('DELETE FROM portcullis.org_keys');
  await app.app.get(CheckpointRounds).compare(() => undefined);
  await until(async () => app.app.get(InvalidationStream).isFresh);
});
afterAll(async () => {
  await app.close();
  await under.stop();
});

/** One secret, and what is certain of it. */
interface Watched {
  readonly caller: Caller;
  readonly path: string;
  /** The newest version whose write has answered. */
  written: number;
  /** Between the answer of a deletion and the beginning of its end. */
  hidden: boolean;
  /** A change of it is under way, or has no known end. */
  changing: boolean;
  /** How many changes of it were begun. */
  begun: number;
}

/** What the server goes through, over and over; each answers how it ends. */
const troubles: Record<string, () => Promise<() => Promise<void> | void>> = {
  'in order': async () => () => undefined,
  killed: async () => {
    await server.stop();
    return () => server.listen();
  },
  sealed: async () => {
    server.sealed = true;
    return () => void (server.sealed = false);
  },
  slow: async () => {
    server.misbehave('slow', 40);
    return () => server.behave();
  },
  'losing answers': async () => {
    server.misbehave('lost', 60);
    return () => server.behave();
  },
  failing: async () => {
    server.misbehave({ status: 500, errors: ['canary-in-error'] }, 200);
    return () => server.behave();
  },
  replaced: async () => {
    await server.stop();
    const other = await VaultServer.start({ port: server.port });
    // Another server that takes the same token, with other values at the same paths.
    for (const entry of server.auth.tokens.values())
      other.auth.tokens.set(entry.id, { ...entry, policies: ['root'] });
    return async () => {
      await other.stop();
      await server.listen();
    };
  },
};

describe(`${RESOLUTIONS} resolutions while the server is killed, sealed, slowed and replaced`, () => {
  it.each([
    ['asked each time', () => app.app.get(VaultStore)],
    ['over the cache', () => app.app.get<SecretStore>(SecretStore)],
  ] as const)(
    '%s: no value of another, none that is outdated, none after a deletion',
    async (mode, at) => {
      const store = at();
      const secrets: Watched[] = [];
      for (const caller of callers) {
        for (let n = 0; n < SECRETS; n += 1) {
          const path = `soak/${mode.replaceAll(' ', '-')}/${n}`;
          const settings = { description: '', tags: {}, maxVersions: 100, casRequired: false };
          await store.create(caller, path, { key: valueOf(caller, path, 1) }, settings);
          secrets.push({ caller, path, written: 1, hidden: false, changing: false, begun: 0 });
        }
      }
      const counts = { done: 0, given: 0, refused: 0, states: new Set<string>() };
      const wrong: string[] = [];
      const shown: string[] = [];
      const over = (): boolean => counts.done >= RESOLUTIONS || wrong.length > 0;
      const tolerate = (error: unknown): void => {
        shown.push(inspect(error, { depth: 8 }), JSON.stringify(error));
        if (!(error instanceof Fault && ALLOWED.has(error.code))) wrong.push(`an error: ${String(error)}`);
      };

      const resolver = async (): Promise<void> => {
        while (!over()) {
          const secret = any(secrets);
          const { caller, path, written, begun } = secret;
          const certain = secret.hidden && !secret.changing;
          try {
            const found = await store.resolve(
              { orgId: caller.org.id, purpose: 'sink:soak' },
              { path, field: 'key' },
            );
            counts.given += 1;
            const [org, of, version] = found.reveal().split(' ');
            if (org !== `canary-${caller.org.id}` || of !== path) wrong.push(`another’s: ${found.reveal()}`);
            if (Number(version) < written)
              wrong.push(`outdated: ${found.reveal()}, although ${written} was written`);
            if (certain && secret.begun === begun) wrong.push(`after its deletion: ${found.reveal()}`);
          } catch (error) {
            counts.refused += 1;
            tolerate(error);
          }
          counts.done += 1;
        }
      };
      const changer = async (): Promise<void> => {
        while (!over()) {
          const secret = any(secrets);
          const { caller, path } = secret;
          const unknown = secret.changing;
          secret.changing = true;
          secret.begun += 1;
          try {
            if (unknown) {
              await look(secret);
            } else if (secret.hidden) {
              secret.hidden = false;
              await store.undelete(caller, { path });
            } else if (Math.random() < 0.3) {
              await store.remove(caller, { path });
              secret.hidden = true;
            } else {
              const version = secret.written + 1;
              const fields = { key: valueOf(caller, path, version) };
              secret.written = (await store.write(caller, { path }, fields, secret.written)).currentVersion;
            }
            secret.changing = false;
          } catch (error) {
            tolerate(error);
          }
        }
      };
      /** Whoever got no answer looks before they try again. */
      const look = async (secret: Watched): Promise<void> => {
        const told = await store.describe(secret.caller, { path: secret.path });
        Object.assign(secret, { written: told.currentVersion, hidden: told.deletedAt !== undefined });
      };
      const troublemaker = async (): Promise<void> => {
        for (let turn = 0; !over(); turn += 1) {
          const [name, begin] = Object.entries(troubles)[turn % Object.keys(troubles).length]!;
          const end = await begin();
          counts.states.add(name);
          const phaseEnds = counts.done + PHASE;
          await until(async () => over() || counts.done >= phaseEnds, 120_000);
          await end();
        }
      };
      await Promise.all([troublemaker(), changer(), ...Array.from({ length: WORKERS }, resolver)]);

      expect(wrong).toEqual([]);
      expect(counts.done).toBeGreaterThanOrEqual(RESOLUTIONS);
      expect([...counts.states]).toEqual(Object.keys(troubles));
      // It was no walk in the sun, and no night either.
      expect(counts.given).toBeGreaterThan(RESOLUTIONS / 10);
      expect(counts.refused).toBeGreaterThan(RESOLUTIONS / 100);
      console.log(`${mode}: ${counts.given} given, ${counts.refused} refused`);
      for (const text of [...shown, ...app.log]) expect(text).not.toMatch(/canary|hvs\./);
    },
    600_000,
  );
});

function valueOf(caller: Caller, path: string, version: number): string {
  return `canary-${caller.org.id} ${path} ${version}`;
}

function any<T>(all: readonly T[]): T {
  return all[Math.floor(Math.random() * all.length)]!;
}
