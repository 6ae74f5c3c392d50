import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { childEnvironment } from '#kernel';
import type { Client } from '../bench/client.ts';
import { Deployment, invite, owner, type Person, type SignedIn } from '../bench/deployment.ts';
import { cores, ROOT } from '../bench/processes.ts';
import { type Finding, readReport } from './findings.ts';
import { EXCUSED, LEFT_OUT } from './schemathesis-exceptions.ts';
import { type AskOwner, type Seeded, seedEverything } from '../kit/seeded.ts';

/**
 * schemathesis reads the OpenAPI document that the running product serves and holds the product to it: as the owner
 * of an organization, as an operator of the platform, as a member who may only look, and as nobody.
 */
const HOME = join(ROOT, 'test/oracles/schemathesis');
const REQUIREMENT = readFileSync(join(HOME, 'requirements.txt'), 'utf8').trim();
const VENV = join(homedir(), '.cache', 'portcullis-oracles', REQUIREMENT.replace('==', '-'));
const PROGRAM = join(VENV, 'bin/st');
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'negative_data_rejection',
  'positive_data_acceptance',
  'missing_required_header',
  'unsupported_method',
  'allow_header_conformance',
  'ignored_auth',
  'use_after_free',
  'ensure_resource_availability',
];
/** What says that data was not accepted: those the suite knows, and 413. */
const REJECTED = ['400', '401', '403', '404', '406', '413', '415', '422', '428', '5xx'];
/** What only operators of the platform may do. */
const OF_PLATFORM = '^/api/v1/(platform/|users|orgs$|[a-z]+/readiness$|orgs/\\{orgId\\}(/suspend|/resume)?$)';
/** What ends the organization it is asked of. */
const ENDS = ['orgsRemove', 'orgsSuspend'];

interface Run {
  readonly as: string;
  readonly person: (Person & { organization: string }) | undefined;
  /** Values for path parameters, and those for the requests that end what they name. */
  readonly parameters: Seeded;
  readonly thrown: Seeded;
  readonly arguments: readonly string[];
}

/** 1 where the product does not hold to its document; says why and answers 0 where schemathesis cannot be had. */
export async function askSchemathesis(quick: boolean): Promise<number> {
  const reason = install();
  if (reason !== undefined) {
    console.log(`skipped: ${REQUIREMENT} (${reason})`);
    return 0;
  }
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-schemathesis-'));
  const { deployment, first } = await Deployment.start(cores.both, cores.both);
  try {
    const excused = new Map<string, number>();
    let found = 0;
    for (const run of await runsOf(first.client, quick)) {
      found += await carryOut(run, `http://127.0.0.1:${first.port}`, folder, excused);
    }
    for (const { reason: why } of EXCUSED) console.log(`  excused ${excused.get(why) ?? 0}: ${why}`);
    for (const [name, why] of Object.entries(LEFT_OUT)) console.log(`  left out ${name}: ${why}`);
    if (found > 0) console.log(`${REQUIREMENT} disagrees: ${found} findings`);
    return found > 0 ? 1 : 0;
  } finally {
    await deployment.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Why there is no program; undefined where there is one. */
function install(): string | undefined {
  if (existsSync(PROGRAM)) return undefined;
  const python = (program: string, ...args: string[]): SpawnSyncReturns<string> =>
    spawnSync(program, args, { encoding: 'utf8', env: childEnvironment(), timeout: 300_000 });
  if (python('python3', '--version').status !== 0) return 'Python is not installed';
  rmSync(VENV, { recursive: true, force: true });
  if (python('python3', '-m', 'venv', VENV).status !== 0) return 'Python has no venv';
  const made = python(join(VENV, 'bin/python'), '-m', 'pip', 'install', '-q', REQUIREMENT);
  if (made.status === 0) return undefined;
  rmSync(VENV, { recursive: true, force: true });
  return `it cannot be installed: ${(made.stderr ?? '').trim().slice(-300)}`;
}

async function runsOf(client: Client, quick: boolean): Promise<Run[]> {
  const signIn = (organization: string): Promise<SignedIn> =>
    client.expect(200, 'POST', '/api/v1/auth/login', undefined, { ...secretsOf(owner), organization });
  const [admin, operator] = [await signIn('bench'), await signIn('platform')];
  for (const { accessToken, organization } of [admin, operator]) {
    // What is tried with the owner's address and a wrong password must not keep the owner out.
    const limits = { windowSeconds: 60, perDevice: 100, perAccount: 10_000, perSource: 1_000_000 };
    const path = `/api/v1/orgs/${organization.id}/policy`;
    await client.expect(200, 'PATCH', path, accessToken, { limits });
  }
  const [viewer, proprietor] = await invite(client, 2);
  if (!viewer || !proprietor) throw new Error('nobody was invited');
  await makeOwner(client, admin, proprietor);
  const tenant = await client.expect<{ organization: { id: string } }>(
    201,
    'POST',
    '/api/v1/orgs',
    operator.accessToken,
    { name: 'Thrown', slug: 'thrown', owner: { email: owner.email } },
  );
  const ask: AskOwner = (status, method, path, body) =>
    client.expect(status, method, `/api/v1/orgs/${admin.organization.id}${path}`, admin.accessToken, body);
  const kept = await seedEverything(ask, 'kept');
  const thrown = await seedEverything(ask, 'thrown');
  const here = { ...kept, orgId: admin.organization.id };
  const there = { ...thrown, orgId: tenant.organization.id };
  const bounded = (seconds: number): string[] => ['--max-time', String(seconds)];
  const most = quick
    ? ['--phases', 'fuzzing', '--max-examples', '2']
    : ['--phases', 'coverage,fuzzing,stateful', '--max-examples', '20'];
  const some = quick
    ? ['--phases', 'fuzzing', '--max-examples', '1']
    : ['--phases', 'coverage,fuzzing', '--max-examples', '5'];
  // Whoever may do more comes later: there is less afterwards.
  return [
    {
      as: 'a member who may only look',
      person: { ...viewer, organization: 'bench' },
      parameters: here,
      thrown: there,
      arguments: [...some, ...bounded(quick ? 10 : 100)],
    },
    {
      as: 'nobody',
      person: undefined,
      parameters: here,
      thrown: there,
      arguments: [...some, ...bounded(quick ? 10 : 60)],
    },
    {
      as: 'the owner of an organization',
      // Not the operator, whom the limits of every organization bind that a run makes.
      person: { ...proprietor, organization: 'bench' },
      parameters: here,
      thrown: there,
      arguments: [...most, ...bounded(quick ? 30 : 300)],
    },
    {
      as: 'an operator of the platform',
      person: { ...owner, organization: 'platform' },
      parameters: { ...here, orgId: operator.organization.id },
      thrown: there,
      arguments: [...some, ...bounded(quick ? 15 : 100), '--include-path-regex', OF_PLATFORM],
    },
  ];
}

async function makeOwner(client: Client, admin: SignedIn, { email }: Person): Promise<void> {
  const members = `/api/v1/orgs/${admin.organization.id}/members`;
  const { items } = await client.expect<{ items: { user: { id: string; email: string } }[] }>(
    200,
    'GET',
    members,
    admin.accessToken,
  );
  const found = items.find(({ user }) => user.email === email);
  if (!found) throw new Error(`${email} is no member`);
  await client.expect(200, 'PATCH', `${members}/${found.user.id}`, admin.accessToken, { role: 'owner' });
}

function secretsOf({ email, password }: Person): Person {
  return { email, password };
}

/** How many findings nothing excuses. */
async function carryOut(
  run: Run,
  origin: string,
  folder: string,
  excused: Map<string, number>,
): Promise<number> {
  const configuration = join(folder, 'schemathesis.toml');
  const report = join(folder, 'report.ndjson');
  writeFileSync(configuration, configurationOf(run));
  const ended = spawnSync(
    PROGRAM,
    [
      '--config-file',
      configuration,
      'run',
      `${origin}/api/v1/openapi.json`,
      '--checks',
      CHECKS.join(),
      '--report',
      'ndjson',
      '--report-ndjson-path',
      report,
      '--seed',
      '1',
      '--no-color',
      '--continue-on-failure',
      '--suppress-health-check',
      'all',
      ...run.arguments,
    ],
    {
      cwd: folder,
      encoding: 'utf8',
      maxBuffer: 1e9,
      timeout: 900_000,
      env: childEnvironment({
        PYTHONDONTWRITEBYTECODE: '1',
        ORACLE_ORIGIN: origin,
        ...(run.person && {
          ORACLE_EMAIL: run.person.email,
          ORACLE_PASSWORD: run.person.password,
          ORACLE_ORGANIZATION: run.person.organization,
        }),
      }),
    },
  );
  if (!existsSync(report)) throw new Error(`schemathesis does not run: ${ended.stdout}${ended.stderr}`);
  const { requests, findings, errors, done, stopped } = await readReport(report);
  rmSync(report);
  const real = findings.filter((finding) => !isExcused(finding, excused));
  const passed = [...done.values()].filter((n) => n > 0).length;
  console.log(
    `${REQUIREMENT} as ${run.as}: ${requests} requests to ${done.size} operations, ${passed} of them answered 2xx; ` +
      `${real.length} findings, ${errors.length} errors (${stopped})`,
  );
  for (const line of new Set(real.map(lineOf))) console.log(`  ${line}`);
  for (const error of [...new Set(errors)].slice(0, 5)) console.log(`  error: ${error}`);
  return real.length + errors.length;
}

function configurationOf({ parameters, thrown }: Run): string {
  const values = (seeded: Seeded): string =>
    Object.entries(seeded)
      .map(([name, value]) => `"path.${name}" = ${JSON.stringify(value)}`)
      .join('\n');
  const leftOut = Object.keys(LEFT_OUT).map(
    (name) => `[[operations]]\ninclude-operation-id = ${JSON.stringify(name)}\nenabled = false\n`,
  );
  const ending = `[[operations]]\ninclude-operation-id = ${JSON.stringify(ENDS)}\n[operations.parameters]\n${values({ orgId: thrown['orgId'] ?? '' })}\n`;
  const { orgId: _, ...own } = thrown;
  const removing = `[[operations]]\ninclude-path-regex = "/orgs/.*/"\ninclude-method = "DELETE"\n[operations.parameters]\n${values(own)}\n`;
  return [
    `hooks = ${JSON.stringify(join(HOME, 'hooks.py'))}`,
    'generation.allow-x00 = false',
    // Too much is refused as too much, whatever else is wrong with it (RFC 9110 section 15.5.14).
    `checks.negative_data_rejection.expected-statuses = ${JSON.stringify(REJECTED)}`,
    // What waits for news would wait for each request.
    `[parameters]\n${values(parameters)}\n"query.wait" = 0\n`,
    ...leftOut,
    ending,
    removing,
  ].join('\n');
}

function isExcused(finding: Finding, excused: Map<string, number>): boolean {
  const entry = EXCUSED.find(({ holds }) => holds(finding));
  if (entry) excused.set(entry.reason, (excused.get(entry.reason) ?? 0) + 1);
  return entry !== undefined;
}

function lineOf({ check, operation, message, status, code, errors }: Finding): string {
  const why = errors.map(({ path, message: what }) => `${path} ${what}`).join('; ');
  return `${check} ${operation} -> ${status} ${code} ${why.slice(0, 200)} | ${message.split('\n')[0]}`;
}
