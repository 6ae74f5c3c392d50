import { afterAll, beforeAll } from 'vitest';
import { type AppInProcess, MovableClock, startApp } from '../../../test/kit/app-in-process.ts';
import { conforms, type StoreUnderTest } from '../../../test/kit/store-conformance.ts';
import { callerIn, seedTenant } from '../../../test/kit/tenants.ts';
import { type VaultUnderTest, vaultUnderTest } from '../../../test/kit/vault-under-test.ts';
import { Database } from '#database';
import { SecretReferences } from '../references.ts';
import { SecretStore } from '../secret-store.ts';

let app: AppInProcess;
let server: VaultUnderTest;
let under: StoreUnderTest;

beforeAll(async () => {
  server = await vaultUnderTest(true);
  app = await startApp({ secrets: { remote: server.remote(new MovableClock()) } });
  const [one, other] = [await seedTenant(app.database.adminUrl), await seedTenant(app.database.adminUrl)];
  // What the seed put there no key opens.
  await app.change('DELETE FROM portcullis.org_keys');
  const [store, references] = [app.app.get(SecretStore), app.app.get(SecretReferences)];
  under = {
    store,
    database: app.app.get(Database),
    references,
    caller: callerIn(one),
    stranger: callerIn(other),
  };
});
afterAll(async () => {
  await app.close();
  await server.stop();
});

conforms(() => under);
