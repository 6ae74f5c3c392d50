import { fileURLToPath } from 'node:url';
import { Controller, Get, Param } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Access, OWN, PLATFORM, Public, SignedIn } from '#access';
import { Answers, IdPipe, Text } from '#http';
import { Harness } from '../kit/harness.ts';
import {
  attacks,
  declarationOf,
  everything,
  isGuarded,
  namesOrg,
  nextAddress,
  pathOf,
  play,
} from './denial-matrix.ts';
import { forge, forgeries, isSigned } from './forgeries.ts';

class CanaryView {
  @Text() said: string;
}

/** Declarations that the boot seal lets pass and that are wrong all the same. */
@Controller('api/v1/orgs/:orgId')
class CanaryController {
  @Get('canary-own')
  @Access({ permission: 'org:read', org: OWN })
  @Answers(CanaryView)
  own(@Param('orgId', IdPipe) _id: string): CanaryView {
    return { said: 'tweet' };
  }

  @Get('canary-signed-in')
  @SignedIn('a canary')
  @Answers(CanaryView)
  signedIn(@Param('orgId', IdPipe) _id: string): CanaryView {
    return { said: 'tweet' };
  }

  @Get('canary-public')
  @Public('a canary')
  @Answers(CanaryView)
  public(@Param('orgId', IdPipe) _id: string): CanaryView {
    return { said: 'tweet' };
  }
}

const isCanary = ({ path }: { path: string }): boolean => path.includes('/canary-');

describe('the denial matrix', () => {
  let harness: Harness;
  let total = 0;
  beforeAll(async () => {
    harness = await Harness.start({ controllers: [CanaryController] });
  });
  afterAll(() => harness.stop());

  const product = () => harness.routes.filter((route) => !isCanary(route));
  const guarded = () => product().filter(isGuarded);

  for (const attack of attacks) {
    it(`refuses ${attack.name} on every route, and keeps the evidence`, async () => {
      const { cells, problems } = await play(harness, attack, guarded());
      expect(problems).toEqual([]);
      expect(cells).toBeGreaterThan(2);
      total += cells;
    });
  }

  for (const [name, forgery] of Object.entries(forgeries)) {
    it(`refuses ${name} on every signed route, and keeps the evidence`, async () => {
      const { cells, problems } = await forge(harness, forgery);
      expect(problems).toEqual([]);
      expect(cells).toBeGreaterThanOrEqual(3);
    });
  }

  it('covers the whole product', () => {
    expect(guarded().length).toBeGreaterThanOrEqual(35);
    expect(product().filter(namesOrg).length).toBeGreaterThanOrEqual(28);
    expect(total).toBeGreaterThanOrEqual(450);
  });

  it('lets in who may pass, so that not everything is refused', async () => {
    const refused: string[] = [];
    for (const route of guarded()) {
      const isPlatforms = route.rule?.word === 'access' && route.rule.org === PLATFORM;
      // An organization of their own, for one of these routes deletes it.
      const org = isPlatforms ? harness.platform : await harness.org();
      const person = await harness.person(org, everything(isPlatforms ? 'platform' : 'tenant'));
      const token = await harness.token(person);
      // A stream would go on for minutes.
      const end = route.answers?.contentType === 'text/event-stream' ? '?wait=0' : '';
      const { status, body } = await harness.call(route.method, `${pathOf(route, org.id)}${end}`, { token });
      const code = String(body?.code ?? '');
      if ([401, 403].includes(status) || code.startsWith('access.') || status >= 500)
        refused.push(`${route.method} ${route.path}: ${status} ${code}`);
    }
    expect(refused).toEqual([]);
  });

  it('knows every path that the web server serves', () => {
    const known = new Set(harness.routes.map(({ method, path }) => `${method} ${path}`));
    // Fastify answers HEAD wherever there is a GET, by the same handler.
    const unknown = harness.served
      .map(({ method, path }) => `${method === 'HEAD' ? 'GET' : method} ${path}`)
      .filter((one) => !known.has(one));
    expect(unknown).toEqual([]);
    expect(harness.served.length).toBeGreaterThanOrEqual(known.size);
  });

  it('refuses HEAD where it refuses GET', async () => {
    const gets = guarded().filter(({ method }) => method === 'GET');
    const statuses = await Promise.all(
      gets.map(async (route) => {
        const path = pathOf(route, harness.tenant.id);
        return (await harness.call('HEAD', path, { ip: nextAddress() })).status;
      }),
    );
    expect(new Set(statuses)).toEqual(new Set([401]));
    expect(gets.length).toBeGreaterThan(10);
  });

  it('leaves public routes to themselves', async () => {
    const open = product().filter((route) => !isGuarded(route) && !isSigned(route));
    const refused: string[] = [];
    for (const route of open) {
      const answer = await harness.call(route.method, pathOf(route, harness.tenant.id), {
        ip: nextAddress(),
      });
      const code = String(answer.body?.code ?? '');
      // 400: its own reading of an empty body came before anything else.
      if (answer.status >= 400 && answer.status !== 400)
        refused.push(`${route.path}: ${answer.status} ${code}`);
    }
    expect(refused).toEqual([]);
    expect(open.length).toBeGreaterThanOrEqual(8);
  });

  it('is declared as was agreed', async () => {
    const file = fileURLToPath(new URL('snapshots/routes.txt', import.meta.url));
    const lines = product().map(declarationOf).toSorted();
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(file);
  });

  it('fails for declarations that are wrong', async () => {
    const canaries = harness.routes.filter(isCanary);
    const found: string[] = [];
    for (const attack of attacks) found.push(...(await play(harness, attack, canaries)).problems);
    for (const caught of [
      /canary-own × a stranger.*answered 200/,
      /canary-own × a platform operator.*answered 200/,
      /canary-signed-in × a stranger.*answered 200/,
      /canary-public × nobody: answered 200/,
      /canary-public × a revoked session: answered 200/,
      /canary-public × nobody: left no record/,
    ]) {
      expect(found).toContainEqual(expect.stringMatching(caught));
    }
  });
});
