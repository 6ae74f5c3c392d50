import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * What a page of docs/ claims that can be looked up: routes, settings, fault codes with their status, permissions, npm
 * scripts, files and links. Pages are Markdown; claims stand in code spans, in `sh` blocks and in links.
 */
export interface Page {
  /** Relative to the root. */
  readonly path: string;
  readonly text: string;
}

/** What there is, to hold the pages against. */
export interface Product {
  readonly root: string;
  /** `GET /api/v1/orgs/:orgId` */
  readonly routes: readonly string[];
  readonly settings: readonly string[];
  /** Fault codes, each with the status it is answered with. */
  readonly faults: ReadonlyMap<string, number>;
  /** Audit actions, event types, and other names that look like a fault code. */
  readonly names: ReadonlySet<string>;
  readonly permissions: ReadonlySet<string>;
  readonly scripts: ReadonlySet<string>;
}

export interface Claim {
  readonly kind: 'route' | 'setting' | 'fault' | 'status' | 'permission' | 'script' | 'file' | 'link';
  readonly page: string;
  readonly what: string;
  readonly true: boolean;
}

/** Pages that are generated from the code, by a spec of their own. */
const GENERATED = ['docs/audit-actions.md', 'docs/event-types.md', 'docs/projection-reasons.md'];

export function readPages(root: string): Page[] {
  return globSync(['README.md', 'docs/**/*.md', 'deploy/**/*.md'], { cwd: root })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => !GENERATED.includes(path))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

export function claimsOf(page: Page, product: Product): Claim[] {
  const prose = page.text.replaceAll(/^( *)```[\s\S]*?^\1```/gm, '');
  const spans = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span.replaceAll('\\|', '|'));
  const claim = (kind: Claim['kind'], what: string, holds: boolean): Claim => ({
    kind,
    page: page.path,
    what,
    true: holds,
  });

  const routes = [...spans.flatMap(routesOfSpan), ...commandsOf(page.text).flatMap(routesOfCommand)];
  const statuses = [...prose.matchAll(/\b([45]\d\d) `([a-z_]+\.[a-z_]+)`/g)];
  return [
    ...routes.map(({ method, path }) =>
      claim(
        'route',
        `${method} ${path}`,
        product.routes.some((route) => isRoute(route, method, path)),
      ),
    ),
    ...[...page.text.matchAll(/PORTCULLIS_[A-Z_]*[A-Z](?![A-Z_…])/g)].map(([name]) =>
      claim('setting', name, product.settings.includes(name)),
    ),
    ...spans
      // What begins with `data.` is a field of a problem or of an event.
      .filter((span) => /^(?!data\.)[a-z][a-z_-]*(\.[a-z][a-z_-]*)+$/.test(span) && !isFile(span))
      .map((span) => claim('fault', span, product.faults.has(span) || product.names.has(span))),
    ...statuses.map(([, status = '', code = '']) =>
      claim('status', `${status} ${code}`, product.faults.get(code) === Number(status)),
    ),
    ...spans
      .filter((span) => /^[a-z]+(-[a-z]+)*:[a-z]+(-[a-z]+)*$/.test(span))
      .map((span) => claim('permission', span, product.permissions.has(span))),
    ...[...page.text.matchAll(/npm run (?:--silent )?([a-z][a-z:-]*)/g)].map(([, name = '']) =>
      claim('script', name, product.scripts.has(name)),
    ),
    ...spans
      .filter((span) => /^(apps|deploy|docs|libs|migrations|test|\.ci)\/[\w./-]+$/.test(span))
      .map((span) => claim('file', span, existsSync(join(product.root, span)))),
    ...[...prose.matchAll(/\]\(([^)\s]+)\)/g)]
      .filter(([, link = '']) => !/^[a-z]+:/.test(link))
      .map(([, link = '']) => claim('link', link, isLink(product.root, page.path, link))),
  ];
}

interface Route {
  readonly method: string;
  readonly path: string;
}

/** `GET|PATCH /orgs/{orgId}/policy {…}`, and paths without a method that begin as one of ours. */
function routesOfSpan(span: string): Route[] {
  const named = /^((?:GET|POST|PUT|PATCH|DELETE)(?:\|[A-Z]+)*) (\S+)/.exec(span);
  if (named) {
    const [, methods = '', path = ''] = named;
    return methods.split('|').flatMap((method) => alternatives(path).map((one) => ({ method, path: one })));
  }
  const begins =
    /^(\/api\/v1\/|\/orgs\/|\/auth\/|\/platform\/|\/projection\/|\/health|\/metrics|\/\.well-known\/|…\/|\/?\{)/;
  return begins.test(span) && /^\S*\/\S+$/.test(span)
    ? alternatives(span).map((path) => ({ method: 'ANY', path }))
    : [];
}

/** The commands of `sh` blocks, each with its continuation lines. */
function commandsOf(text: string): string[] {
  return [...text.matchAll(/^ *```sh[^\n]*\n([\s\S]*?)^ *```/gm)].flatMap(([, block = '']) =>
    block
      .replaceAll(/\\\n/g, ' ')
      .split(/\n|;/)
      .filter((line) => line !== ''),
  );
}

function routesOfCommand(command: string): Route[] {
  const said = /(?:-X|--request) ([A-Z]+)/.exec(command)?.[1];
  const places = command.matchAll(
    /(\$ORG|\$api|\$URL\/api\/v1|\$URL|https:\/\/portcullis\.example(?:\/api\/v1)?)(\/[^\s"'?]+)/g,
  );
  const posted = [...command.matchAll(/\bpost (\/[^\s"'?]+)/g)];
  return [
    ...posted.map(([, path = '']) => ({ method: 'POST', path })),
    ...[...places].map(([, base = '', path = '']) => ({
      method: said ?? 'ANY',
      path: base === '$ORG' ? `$ORG${path}` : path,
    })),
  ];
}

/** `/{a,b}/c` is two paths; a query and what follows the path are no part of it. */
function alternatives(path: string): string[] {
  const bare = path.replace(/[?].*$/, '');
  const found = /\{([a-z]+(?:,[a-z]+)+)\}/.exec(bare);
  if (!found) return [bare];
  return (found[1] ?? '').split(',').map((one) => bare.replace(found[0], one));
}

/** Whether the product has the route. `…/x` and `/{id}/x` are the end of one, whatever stands before. */
function isRoute(route: string, method: string, path: string): boolean {
  const [has = '', real = ''] = route.split(' ');
  if (method !== 'ANY' && method !== has) return false;
  const ending = /^(…|\/\{(?!org\}))/.test(path);
  const whole = path.replace(/^(\$ORG|\{org\})/, '/orgs/{orgId}').replace(/^…/, '');
  const wanted = segmentsOf(whole);
  const there = segmentsOf(real);
  const is = (from: number): boolean =>
    wanted.length === there.length - from && wanted.every((one, at) => isSegment(one, there[at + from]));
  if (ending) return is(there.length - wanted.length);
  return is(0) || (there[0] === 'api' && is(2));
}

const segmentsOf = (path: string): string[] => path.split('/').filter((one) => one !== '');

/** A parameter is a parameter, however it is written: `{id}`, `<id>`, `$ID`. Those that are words may be written out. */
function isSegment(wanted: string, real = ''): boolean {
  if (real === ':kind' || real === ':gate') return true;
  return real.startsWith(':') ? /^(\$.+|\{.+\}|<.+>)$/.test(wanted) : wanted === real;
}

function isFile(span: string): boolean {
  return /\.(sh|key|pem|hcl|yaml|ndjson|json|md|ts|mjs|txt|ini|example)$/.test(span);
}

function isLink(root: string, page: string, link: string): boolean {
  const [file = '', anchor] = link.split('#');
  const path = file === '' ? page : join(dirname(page), file);
  if (!existsSync(join(root, path))) return false;
  if (anchor === undefined) return true;
  const headings = readFileSync(join(root, path), 'utf8').matchAll(/^#+ (.+)$/gm);
  return [...headings].some(([, heading = '']) => anchorOf(heading) === anchor);
}

const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
