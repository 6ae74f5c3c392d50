import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { settings } from '../../apps/api/settings.ts';
import { type Claim, claimsOf, type Product, readPages } from './doc-claims.ts';

/**
 * A page is read by somebody who copies from it: what it names must be there. The snapshots beside this file are what
 * there is; other specs hold them to the code.
 */
const root = fileURLToPath(new URL('../..', import.meta.url));
const linesOf = (snapshot: string): string[][] =>
  readFileSync(join(root, 'test/arch/snapshots', snapshot), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' | '));

/** As `libs/http/problem.ts` answers them; a kind that is not here makes every claim about it false. */
const statuses: Record<string, number> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  limited: 429,
  unavailable: 503,
};
/** Those of the transport, for which HTTP has a status of its own. */
const transport: Record<string, number> = {
  'http.method_not_allowed': 405,
  'http.timeout': 408,
  'http.too_large': 413,
  'http.unsupported_media_type': 415,
  'http.expectation_failed': 417,
  'http.header_too_large': 431,
};

/** Names in code spans that have the form of a fault code or of a permission and are something else. */
const others: Record<string, string> = {
  'actor.display': 'a field of an audit event',
  'target.display': 'a field of an audit event',
  'request.ip': 'a field of an audit event',
  'changes.digests': 'a field of an audit event',
  'http.get': 'a kind of step of a rollout',
  'http.post': 'a kind of step of a rollout',
  'http.put': 'a kind of step of a rollout',
  'noop.record': 'a kind of step of a rollout',
  'portcullis.api': 'a contract that the product keeps',
  'portcullis.events': 'a contract that the product keeps',
  'portcullis.mcp': 'a contract that the product keeps',
  'secret.rotation.before': 'a message to a hook',
  'secret.rotation.after': 'a message to a hook',
  'verifier.id': 'a field of evidence',
  'user:password': 'who signs in to NATS, in its URL',
  'read:repository': 'a scope of a token of Gitea',
};

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object };
const product: Product = {
  root,
  routes: linesOf('routes.txt').map(([route = '']) => route),
  settings: Object.values(settings).map(({ variable }) => variable),
  faults: new Map(
    linesOf('faults.txt').map(([code = '', kind = '']) => [code, transport[code] ?? statuses[kind] ?? 0]),
  ),
  names: new Set([
    ...linesOf('audit-actions.txt').map(([action = '']) => action),
    ...linesOf('event-types.txt').map(([type = '']) => type),
    ...Object.keys(others),
  ]),
  permissions: new Set([...linesOf('permissions.txt').map(([name = '']) => name), ...Object.keys(others)]),
  scripts: new Set(Object.keys(scripts)),
};

describe('the pages', () => {
  const pages = readPages(root);
  const claims = pages.flatMap((page) => claimsOf(page, product));

  it('name nothing that is not there', () => {
    expect(claims.filter((claim) => !claim.true).map(inWords)).toEqual([]);
  });

  it('were all read', () => {
    const seen = (kind: Claim['kind']): number =>
      new Set(claims.filter((claim) => claim.kind === kind).map(({ what }) => what)).size;
    expect(pages.length).toBeGreaterThanOrEqual(35);
    expect(seen('route')).toBeGreaterThanOrEqual(110);
    expect(seen('setting')).toBeGreaterThanOrEqual(50);
    expect(seen('fault')).toBeGreaterThanOrEqual(90);
    expect(seen('status')).toBeGreaterThanOrEqual(20);
    expect(seen('permission')).toBeGreaterThanOrEqual(40);
    expect(seen('script')).toBeGreaterThanOrEqual(5);
    expect(seen('file')).toBeGreaterThanOrEqual(60);
    expect(seen('link')).toBeGreaterThanOrEqual(40);
  });

  it('tell of every setting where an operator looks for it', () => {
    const operations = pages.find(({ path }) => path === 'docs/operations.md')?.text ?? '';
    expect(product.settings.filter((name) => !operations.includes(`\`${name}\``))).toEqual([]);
  });

  it('need every name that is excused', () => {
    const used = new Set(claims.map(({ what }) => what));
    expect(Object.keys(others).filter((name) => !used.has(name))).toEqual([]);
  });
});

describe('the canaries', () => {
  const read = (text: string): Claim[] => claimsOf({ path: 'docs/page.md', text }, product);

  it('sing for every kind of claim', () => {
    const planted: [kind: Claim['kind'], text: string][] = [
      ['route', 'Ask `GET /orgs/{orgId}/nothing`.'],
      ['route', 'Ask `PUT /orgs/{orgId}/members`.'],
      ['route', 'Ask `…/nothing/{id}`.'],
      ['route', 'Ask `/health/nothing`.'],
      ['route', '```sh\ncurl -X POST $ORG/nothing \\\n  -d 1\n```'],
      ['route', '```sh\ncurl -X PUT https://portcullis.example/api/v1/auth/login\n```'],
      ['setting', 'Set `PORTCULLIS_NOTHING=1`.'],
      ['fault', 'It answers `auth.nothing`.'],
      ['status', 'It answers 404 `auth.busy`.'],
      ['permission', 'It needs `member:nothing`.'],
      ['script', 'Run `npm run nothing`.'],
      ['file', 'See `libs/auth/nothing.ts`.'],
      ['link', 'See [it](nothing.md).'],
      ['link', 'See [it](audit.md#nothing).'],
    ];
    for (const [kind, text] of planted) {
      expect(
        read(text)
          .filter((claim) => !claim.true)
          .map((claim) => claim.kind),
        text,
      ).toEqual([kind]);
    }
  });

  it('are silent about what is there', () => {
    const sound =
      '`GET|PATCH /orgs/{orgId}/policy {limits}`, `…/api-keys/{keyId}/rotate`, `{org}/members?role=`, `/health`,\n' +
      '`/{observability,docs}/readiness`, `PORTCULLIS_ROLE`, 429 `auth.busy`, `member:read`, `npm run lint`,\n' +
      '`test/arch/docs.spec.ts`, [audit](audit.md#export), `session.revoked`, `ca.pem`\n\n' +
      '```sh\ncurl $ORG/sessions/$ID -X DELETE\n```\n';
    expect(read(sound).length).toBe(16);
    expect(read(sound).filter((claim) => !claim.true)).toEqual([]);
  });
});

const inWords = ({ page, kind, what }: Claim): string => `${page}: ${kind} ${what}`;
