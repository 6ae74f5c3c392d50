import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Cruised, cruiseTree } from './cruise.ts';
import { floors, forbidden, sideways } from './rules.ts';
import { offencesIn, readSources, sourceRules } from './sources.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const sources = readSources(ROOT);

describe('the rooms and their doors', () => {
  let cruised: Cruised;
  beforeAll(async () => {
    cruised = await cruiseTree(ROOT);
  });

  it('keep every rule', () => {
    expect(cruised.violations).toEqual([]);
  });

  it('were all seen', () => {
    const seen = new Set(cruised.modules);
    expect(sources.map(({ path }) => path).filter((path) => !seen.has(path))).toEqual([]);
    expect(cruised.modules.filter((path) => path.startsWith('libs/')).length).toBeGreaterThanOrEqual(18);
  });

  it('are joined by arrows that can be seen', () => {
    expect(cruised.arrows).toContainEqual({
      from: 'libs/access/access.guard.ts',
      to: 'libs/kernel/index.ts',
    });
  });

  it('each have a floor and a door', () => {
    const rooms = readdirSync(join(ROOT, 'libs'));
    expect(rooms.filter((room) => !floors.flat().includes(room))).toEqual([]);
    expect(rooms.filter((room) => !existsSync(join(ROOT, 'libs', room, 'index.ts')))).toEqual([]);
  });

  it('use every sideways arrow that is allowed, each with its reason', () => {
    const unused = sideways.filter(({ from, to, reason }) => {
      const built = [from, to].every((room) => existsSync(join(ROOT, 'libs', room)));
      const used = cruised.arrows.some(
        (arrow) => arrow.from.startsWith(`libs/${from}/`) && arrow.to.startsWith(`libs/${to}/`),
      );
      return reason.trim() === '' || (built && !used);
    });
    expect(unused).toEqual([]);
  });
});

describe('the sources', () => {
  it('keep every rule', () => {
    expect(sources.length).toBeGreaterThanOrEqual(30);
    expect(offencesIn(sources)).toEqual([]);
  });

  it('need every exemption, each with its reason', () => {
    const idle = sourceRules.flatMap(({ name, exempt, offences }) =>
      exempt
        .filter(({ path, reason }) => {
          const covered = sources.filter((source) => path.test(source.path));
          return (
            reason.trim() === '' ||
            (covered.length > 0 && !covered.some((source) => offences(source).length > 0))
          );
        })
        .map(({ path }) => `${name}: ${path}`),
    );
    expect(idle).toEqual([]);
  });
});

/** One planted violation for every rule; the path of the offender, then what it says. */
const planted: Record<string, string> = {
  'libs/kernel/up.ts': `import '#access';`,
  'libs/database/beside.ts': `import '#access';`,
  'libs/access/beside.ts': `import '#database';`,
  'libs/egress/up.ts': `import '#relay';`,
  'libs/relay/up.ts': `import '#audit';`,
  'libs/http/beside.ts': `import '#jobs';`,
  'libs/jobs/up.ts': `import '#auth';`,
  'libs/mail/up.ts': `import '#orgs';`,
  'libs/audit/up.ts': `import type { Secrets } from '#secrets'; export type A = Secrets;`,
  'libs/events/up.ts': `export * from '#rollout';`,
  'libs/auth/beside.ts': `import '#orgs';`,
  'libs/orgs/up.ts': `export const late = () => import('#federation');`,
  'libs/secrets/up.ts': `import '#platform';`,
  'libs/federation/beside.ts': `import '#rollout';`,
  'libs/projection/up.ts': `import '#mcp';`,
  'libs/execution/beside.ts': `import '#intake';`,
  'libs/intake/beside.ts': `import '#execution';`,
  'libs/rollout/up.ts': `import '#mcp';`,
  'libs/mcp/beside.ts': `import '#platform';`,
  'libs/platform/beside.ts': `import '#mcp';`,
  'libs/http/window.ts': `import '../access/guard.ts';`,
  'libs/http/back-door.ts': `import '../access/index.ts';`,
  'apps/api/window.ts': `import '../../libs/access/index.ts';`,
  'libs/jobs/egg.ts': `import './hen.ts';`,
  'libs/jobs/hen.ts': `import './egg.ts';`,
  'libs/platform/top.ts': `import '../../apps/api/main.ts';`,
  'libs/audit/tested.ts': `import '../../test/kit/app.ts';`,
  'libs/audit/specified.ts': `import './some.spec.ts';`,
  'apps/console/src/main.ts': `import '#kernel';`,
  'libs/events/index.ts': `export * from './event.row.ts';`,
  'libs/kernel/nest.ts': `import '@nestjs/common';`,
  'libs/auth/users.ts': `import type { DataSource } from 'typeorm'; export type D = DataSource;`,
  'libs/auth/reply.ts': `import type { FastifyReply } from 'fastify'; export type R = FastifyReply;`,
  'libs/auth/vault.ts': `import 'node-vault';`,
  'libs/auth/shell.ts': `import { exec } from 'node:child_process'; exec('true');`,
  'libs/auth/generator.ts': `import 'fast-check';`,
  'apps/cli/audit/verify-export.ts': `import 'node:crypto'; import './merkle.ts'; import '@nestjs/common';`,
  'libs/auth/nowhere.ts': `import './nowhere-at-all.ts';`,
};

/** The same kinds of arrow where they are allowed. */
const sound: Record<string, string> = {
  'libs/access/guard.ts': `import '#kernel'; import '@nestjs/common';`,
  'libs/database/source.ts': `import 'typeorm';`,
  'libs/database/embedded-server.ts': `import 'node:child_process';`,
  'libs/auth/keys.ts': `import '#secrets'; import '#http'; import './keys.store.ts';`,
  'libs/auth/keys.store.ts': `import 'typeorm'; import './key.row.ts';`,
  'libs/auth/key.row.ts': `import 'typeorm';`,
  'libs/auth/keys.spec.ts': `import 'fast-check'; import '../../test/kit/app.ts';`,
  'libs/events/event.row.ts': `import 'typeorm';`,
  'libs/audit/some.spec.ts': `import 'fast-check';`,
  'libs/http/server.ts': `import 'fastify';`,
  'libs/secrets/vault.ts': `import 'node-vault';`,
  'libs/execution/run.ts': `import 'node:child_process';`,
  'migrations/1-create.ts': `import 'typeorm';`,
  'apps/api/main.ts': `import '#auth'; import '#platform';`,
  'apps/cli/audit/merkle.ts': `import 'node:crypto';`,
  'apps/cli/cli.spec.ts': `import 'fast-check';`,
  'test/kit/app.ts': `import 'node:child_process'; import 'fast-check'; import '#kernel';`,
};

describe('the canaries', () => {
  const root = mkdtempSync(join(tmpdir(), 'portcullis-canary-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  const write = (files: Record<string, string>): void => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), `${text}\n`);
    }
  };

  it('are silent in a sound tree', async () => {
    const packages = ['@nestjs/common', 'typeorm', 'fastify', 'node-vault', 'fast-check'];
    for (const name of packages) {
      write({
        [`node_modules/${name}/package.json`]: JSON.stringify({ name, version: '1.0.0', main: 'index.js' }),
        [`node_modules/${name}/index.js`]: '',
      });
    }
    const version = (names: string[]): object => Object.fromEntries(names.map((name) => [name, '1.0.0']));
    write({
      'package.json': JSON.stringify({
        type: 'module',
        dependencies: version(packages.slice(0, 4)),
        devDependencies: version(packages.slice(4)),
      }),
      'tsconfig.json': JSON.stringify({
        compilerOptions: {
          module: 'nodenext',
          moduleResolution: 'nodenext',
          paths: { '#*': ['./libs/*/index.ts'] },
        },
      }),
    });
    for (const room of floors.flat()) write({ [`libs/${room}/index.ts`]: 'export {};' });
    write(sound);
    const { violations, modules } = await cruiseTree(root);
    expect(violations).toEqual([]);
    expect(modules.length).toBe(floors.flat().length + Object.keys(sound).length);
  });

  it('sing for every rule of the rooms', async () => {
    write(planted);
    const { violations } = await cruiseTree(root);
    const silentRules = forbidden.filter(
      ({ name }) => !violations.some((one) => one.startsWith(`${name}: `)),
    );
    expect(silentRules.map(({ name }) => name)).toEqual([]);
    const silentPlants = Object.keys(planted).filter((path) => !violations.some((one) => one.includes(path)));
    expect(silentPlants).toEqual([]);
    const falseAlarms = violations.filter((one) =>
      Object.keys(sound).some((path) => one.includes(`: ${path} -> `)),
    );
    expect(falseAlarms).toEqual([]);
  });

  it('sing for every rule of the sources', () => {
    const offenders: [path: string, text: string][] = [
      ['libs/auth/long.ts', '\n'.repeat(400) + 'x'],
      ['libs/auth/dto/login.ts', ''],
      ['libs/utils/text.ts', ''],
      ['libs/auth/Login.ts', ''],
      ['libs/auth/session-manager.ts', ''],
      ['libs/auth/a.ts', 'export class SessionManager {}'],
      ['libs/auth/b.ts', 'export abstract class BaseStore {}'],
      ['libs/auth/c.ts', 'interface ISession {}'],
      ['libs/auth/d.ts', 'const port = process.env.PORT;'],
      ['libs/auth/e.ts', `const port = process['env']['PORT'];`],
      ['libs/auth/f.ts', 'const { env } = process;'],
      ['libs/auth/g.ts', `import { env } from 'node:process';`],
      ['apps/api/h.ts', 'globalThis.process.env.PORT;'],
      ['libs/auth/i.ts', `import {\n  Injectable,\n  HttpException as Other,\n} from '@nestjs/common';`],
      ['libs/auth/j.ts', `export { NotFoundException } from '@nestjs/common';`],
    ];
    const sung = new Set<string>();
    for (const [path, text] of offenders) {
      const found = offencesIn([{ path, text }]);
      expect(found.length, path).toBeGreaterThan(0);
      for (const { rule } of found) sung.add(rule);
    }
    expect([...sung].sort()).toEqual(sourceRules.map(({ name }) => name).sort());
    const innocent =
      `// process.env, HttpException\nexport class Sessions { readonly text = 'process.env'; }\n` +
      'x\n'.repeat(398);
    expect(offencesIn([{ path: 'libs/auth/sessions.ts', text: innocent }])).toEqual([]);
  });
});
