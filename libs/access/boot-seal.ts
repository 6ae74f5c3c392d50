import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { getMetadataStorage } from 'class-validator';
import { asksForCaller, isWrite, OWN, PLATFORM } from './access-rule.ts';
import { JobCatalogue, type JobHandler } from './job-catalogue.ts';
import { isPermission, permissionNames } from './permissions.ts';
import { SignedRequests } from './ports.ts';
import { type Route, RouteCatalogue, type RouteInput } from './route-catalogue.ts';

/** Stops the start. Lists every offender, so that one start shows them all. */
export class SealError extends Error {
  constructor(readonly offenders: string[]) {
    super(`the boot seal refuses to start:\n${offenders.map((offender) => `  - ${offender}`).join('\n')}`);
    this.name = 'SealError';
  }
}

/**
 * Walks every route and every job handler before the server listens. There is no flag that skips it and it does not look at the
 * environment: what would start insecure does not start.
 */
@Injectable()
export class BootSeal implements OnApplicationBootstrap {
  constructor(
    private readonly catalogue: RouteCatalogue,
    private readonly jobs: JobCatalogue,
    private readonly signed: SignedRequests,
  ) {}

  onApplicationBootstrap(): void {
    const offenders = [
      ...this.catalogue.routes.flatMap(routeOffences),
      ...this.catalogue.routes.flatMap((route) => this.#unverified(route)),
      ...unused(this.catalogue.routes),
      ...jobOffences(this.jobs.handlers),
    ];
    if (offenders.length > 0) throw new SealError(offenders);
  }

  /** A signature that nothing verifies is none. */
  #unverified(route: Route): string[] {
    const { rule } = route;
    if (rule?.word !== 'signed' || this.signed.has(rule.scheme)) return [];
    return [`${nameOf(route)} is signed by the scheme ${rule.scheme}, which nothing verifies`];
  }
}

/** Everything that is wrong with the declaration of one route. */
export function routeOffences(route: Route): string[] {
  const at = nameOf(route);
  return [
    ...accessOffences(route),
    ...openOffences(route),
    ...inputOffences(route),
    ...answerOffences(route),
  ].map((offence) => `${at} ${offence}`);
}

function nameOf({ method, path, controller, handlerName }: Route): string {
  return `${method} ${path} (${controller}.${handlerName})`;
}

function accessOffences({ rule, parameters, inputs, rawBody }: Route): string[] {
  if (rule === undefined) return ['has no access word: @Access, @SignedIn, @Signed or @Public'];
  if ((rule.word === 'signed') !== (rawBody !== undefined)) {
    return ['needs both or neither of @Signed and @RawBody: what is signed is the body as it came'];
  }
  if (rule.word === 'signed' && inputs.some(({ from }) => from === 'body')) {
    return ['takes a parsed body although it keeps its body as it came'];
  }
  const fresh = asksForCaller(rule) ? rule.fresh : undefined;
  const offences =
    fresh && !(Number.isInteger(fresh.within) && fresh.within >= 1 && fresh.within <= 3_600)
      ? [`asks for a proof within ${String(fresh.within)} seconds, which is not 1 to 3600`]
      : [];
  if (rule.word !== 'access') {
    return rule.why.trim() === '' ? [...offences, `says @${rule.word} without a reason`] : offences;
  }
  for (const name of rule.permissions) {
    if (!isPermission(name))
      offences.push(`names the permission ${String(name)}, which is not in the catalogue`);
  }
  if (rule.permissions.length === 0) offences.push('names no permission');
  if (rule.org !== PLATFORM && rule.org !== OWN && !parameters.includes(rule.org)) {
    offences.push(`takes its organization from the path parameter ${rule.org}, which does not exist`);
  }
  return offences;
}

/** What may be opened to everyone, or go on in a system that is read-only, is narrow. */
function openOffences({ method, rule, goesOn, inputs, parameters }: Route): string[] {
  const offences: string[] = [];
  if (rule?.word === 'access' && rule.open !== undefined) {
    const bare = rule.org === PLATFORM && rule.fresh === undefined && inputs.length + parameters.length === 0;
    if (isWrite(method) || !bare) {
      offences.push('may be opened to everyone, which is for reads of the platform that take no input');
    }
  }
  if (goesOn !== undefined && goesOn.trim() === '') offences.push('says @WhileReadOnly without a reason');
  if (goesOn !== undefined && !isWrite(method))
    offences.push('says @WhileReadOnly, which every read does anyway');
  return offences;
}

function inputOffences(route: Route): string[] {
  const orgParameter = route.rule?.word === 'access' ? route.rule.org : undefined;
  const unread = route.parameters.filter(
    (name) =>
      name !== orgParameter && !route.inputs.some((input) => input.from === 'param' && input.name === name),
  );
  return [
    ...unread.map((name) => `does not read its path parameter ${name}`),
    ...route.inputs
      .filter((input) => !hasSchema(input) && !(input.from === 'param' && input.name === orgParameter))
      .map((input) => `takes ${input.from}${input.name ? ` ${input.name}` : ''} without a schema`),
  ];
}

/** A path parameter has a pipe of its own; a body or a query is a class with validation rules. */
function hasSchema(input: RouteInput): boolean {
  if (input.from === 'param') return input.name !== undefined && input.pipes.length > 0;
  if (input.name !== undefined || typeof input.type !== 'function') return false;
  return getMetadataStorage().getTargetValidationMetadatas(input.type, '', false, false).length > 0;
}

function answerOffences({ answers }: Route): string[] {
  return answers === undefined ? ['does not declare what it answers: @Answers'] : [];
}

/** Everything that is wrong with the declarations of the job handlers. */
export function jobOffences(handlers: readonly JobHandler[]): string[] {
  return handlers.flatMap((handler) => {
    const at = `job ${handler.queue.name} (${handler.provider}.${handler.handlerName})`;
    const offences: string[] = [];
    if (handler.rule === undefined) offences.push(`${at} has no access word: @Unattended`);
    else if (handler.rule.why.trim() === '') offences.push(`${at} says @unattended without a reason`);
    const first = handlers.find(({ queue }) => queue.name === handler.queue.name);
    if (first !== handler) {
      offences.push(`${at} is a second handler: ${first?.provider}.${first?.handlerName} is the first`);
    }
    return offences;
  });
}

function unused(routes: readonly Route[]): string[] {
  const used = new Set(routes.flatMap(({ rule }) => (rule?.word === 'access' ? rule.permissions : [])));
  return permissionNames
    .filter((name) => !used.has(name))
    .map((name) => `the permission ${name} is in the catalogue but no route asks for it`);
}
