import { randomUUID } from 'node:crypto';
import type { Route } from '#access';
import type { Harness } from '../kit/harness.ts';
import { answerProblems, denials, nextAddress, pathOf, recordProblems } from './denial-matrix.ts';

/** Routes whose sender signs the body. */
export function isSigned(route: Route): boolean {
  return route.rule?.word === 'signed';
}

interface Forgery {
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly status: number;
  /** By the scheme of the route. */
  readonly code: Readonly<Record<string, string>>;
}

const both = (code: string): Record<string, string> => ({ gitea: code, 'rollout-hook': code });
const refused = (gitea: string): Record<string, string> => ({
  gitea,
  'rollout-hook': 'rollout.callback_refused',
});

const HEADERS: Record<string, string> = {
  'content-type': 'application/json',
  'x-gitea-delivery': randomUUID(),
  'x-gitea-event': 'push',
  'x-gitea-event-type': 'push',
};
const FALSE = {
  ...HEADERS,
  'x-gitea-signature': '0'.repeat(64),
  'x-portcullis-signature': '0'.repeat(64),
};
const UNSIGNED = { status: 401, code: refused('intake.signature_missing'), body: '{}' };

/** Ways to send to a signed route what nobody has signed. */
export const forgeries: Readonly<Record<string, Forgery>> = {
  'no signature': { ...UNSIGNED, headers: HEADERS },
  'an empty signature': {
    ...UNSIGNED,
    headers: { ...HEADERS, 'x-gitea-signature': '', 'x-portcullis-signature': '' },
  },
  'a credential instead of a signature': {
    ...UNSIGNED,
    headers: { ...HEADERS, authorization: 'Bearer whatever' },
  },
  'a signature by nobody’s secret': {
    headers: FALSE,
    body: '{}',
    status: 401,
    code: refused('intake.bad_signature'),
  },
  'another type of content': {
    headers: { ...FALSE, 'content-type': 'text/plain' },
    body: '{}',
    status: 415,
    code: both('http.unsupported_media_type'),
  },
  'more than is taken': {
    headers: FALSE,
    body: 'x'.repeat(1_048_577),
    status: 413,
    code: both('http.too_large'),
  },
};

/** Sends one forgery to each signed route. Answers how many there were and what was wrong, in words. */
export async function forge(
  harness: Harness,
  { headers, body, status, code: codes }: Forgery,
): Promise<{ cells: number; problems: string[] }> {
  const problems: string[] = [];
  const routes = harness.routes.filter(isSigned);
  for (const route of routes) {
    const path = pathOf(route, harness.tenant.id);
    const code = (route.rule?.word === 'signed' && codes[route.rule.scheme]) || 'no code for this scheme';
    const answer = await harness.call(route.method, path, { headers, body, ip: nextAddress() });
    const cell = { orgId: harness.tenant.id, status, code, log: harness.platform, actor: 'anonymous' };
    const id = answer.headers['x-request-id'] ?? '';
    const record = (await denials(harness, [id])).get(id);
    const found = [...answerProblems(cell, answer), ...recordProblems(cell, route, record)];
    problems.push(...found.map((problem) => `${route.method} ${route.path}: ${problem}`));
  }
  return { cells: routes.length, problems };
}
