import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { childEnvironment, isId } from '#kernel';
import { Deployment, owner, signIn } from '../bench/deployment.ts';
import { cores, ROOT } from '../bench/processes.ts';
import { fillLog } from '../kit/long-log.ts';
import { verifyFormats } from './formats.ts';
import { askRustyVault } from './rusty-vault.ts';
import { verifyGitea } from './gitea.ts';
import { buildGitea } from './running-gitea.ts';
import { askSchemathesis } from './schemathesis.ts';

/**
 * `npm run test:oracles`: the running product against programs that nobody here wrote. Where one cannot be built, it
 * says why and goes on; where one disagrees with the product, the exit code is 1. With `-- --quick` those are left out
 * that take many minutes to build, and schemathesis asks for a minute instead of ten. With `-- --gate` it is left out as
 * well: how far it gets and what it tries is chance, and chance must not decide whether a change lands.
 */
const EVENTS = 5_000;
const gate = process.argv.includes('--gate');
const quick = gate || process.argv.includes('--quick');
const folder = mkdtempSync(join(tmpdir(), 'portcullis-oracle-'));
const program = join(folder, 'tlog-oracle');

try {
  process.exitCode = verifyFormats(folder);
  const reason = build();
  if (reason === undefined) process.exitCode = (await verifyTransparencyLog()) || process.exitCode;
  else console.log(`skipped: golang.org/x/mod/sumdb (${reason})`);
  if (gate) console.log('skipped: schemathesis (its input is random; run without --gate)');
  else process.exitCode = (await askSchemathesis(quick)) || process.exitCode;
  if (quick)
    console.log('skipped: rusty_vault, Gitea (they take many minutes to build; run without --quick)');
  else await askServers();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function askServers(): Promise<void> {
  process.exitCode = (await askRustyVault()) || process.exitCode;
  const noGitea = buildGitea();
  if (noGitea !== undefined) console.log(`skipped: Gitea (${noGitea})`);
  else if ((await verifyGitea()) !== 0) process.exitCode = 1;
}

/** Why there is no program; undefined where there is one. */
function build(): string | undefined {
  const go = (...args: string[]): SpawnSyncReturns<string> =>
    spawnSync('go', args, { cwd: join(ROOT, 'test/oracles/tlog'), encoding: 'utf8', timeout: 60_000 });
  if (go('version').error) return 'Go is not installed';
  const fetched = go('mod', 'download');
  if (fetched.status !== 0) return `its modules cannot be fetched: ${fetched.stderr.trim().slice(0, 300)}`;
  const built = go('build', '-mod=readonly', '-o', program, '.');
  if (built.status !== 0) throw new Error(`the oracle does not build: ${built.stderr}`);
  return undefined;
}

/** A short log, then the same grown by thousands, whose checkpoint must continue the first. */
async function verifyTransparencyLog(): Promise<number> {
  const { deployment, first } = await Deployment.start(cores.both, cores.both);
  try {
    const { accessToken, organization } = await signIn(first.client, owner);
    if (!isId(organization.id)) throw new Error('the organization has no id');
    const made = await first.client.expect<{ key: string }>(
      201,
      'POST',
      `/api/v1/orgs/${organization.id}/api-keys`,
      accessToken,
      { name: 'oracle', permissions: ['audit:export'] },
    );
    const verify = (...earlier: string[]): SpawnSyncReturns<string> =>
      spawnSync(program, [`http://127.0.0.1:${first.port}`, organization.id, ...earlier], {
        encoding: 'utf8',
        env: childEnvironment({ ORACLE_TOKEN: made.key }),
        timeout: 60_000,
      });
    const before = verify();
    process.stdout.write(before.stderr);
    if (before.status !== 0) return 1;
    const checkpoint = join(folder, 'checkpoint');
    writeFileSync(checkpoint, before.stdout);
    await fillLog(deployment.database.server.adminUrl, organization.id, EVENTS);
    const after = verify(checkpoint);
    process.stdout.write(after.stderr);
    if (after.status !== 0) return 1;
    console.log('golang.org/x/mod/sumdb agrees with every checkpoint and proof');
    return 0;
  } finally {
    await deployment.stop();
  }
}
