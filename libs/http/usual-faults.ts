import { asksForCaller, isWrite, PLATFORM, OWN, type Route } from '#access';
import { faultCatalogue, type FaultMaker } from '#kernel';
import { HttpFault } from './http.faults.ts';

const setUp = ({ rule }: Route): boolean => !(rule?.word === 'public' && rule.duringSetup);
const asksCaller = ({ rule }: Route): boolean => asksForCaller(rule);
const asksPermission = ({ rule }: Route): boolean => rule?.word === 'access';
const asksProof = ({ rule }: Route): boolean => asksForCaller(rule) && rule.fresh !== undefined;
const namesOrg = ({ rule }: Route): boolean =>
  rule?.word === 'access' && rule.org !== PLATFORM && rule.org !== OWN;
const reads = ({ inputs, parameters }: Route): boolean => inputs.length + parameters.length > 0;
const inPath = ({ parameters }: Route): boolean => parameters.length > 0;
/** Where a body may come, wanted or not: it is read before anybody asks whether the route has a use for it. */
const takesBytes = ({ method }: Route): boolean => isWrite(method);
const parsesBody = ({ method, rawBody }: Route): boolean => isWrite(method) && rawBody === undefined;
const waitsReadOnly = ({ method, goesOn, rule }: Route): boolean =>
  isWrite(method) && goesOn === undefined && setUp({ rule } as Route);

/** Whether a repeat of a request may name itself so. */
export function takesIdempotencyKey({ method, rule }: Route): boolean {
  return isWrite(method) && asksForCaller(rule);
}

/**
 * What a route may answer beside what it declares: of which routes, and the codes. Those of rooms above stand here by
 * name; where such a room is not loaded, it answers nothing.
 */
const USUAL: readonly (readonly [(route: Route) => boolean, readonly string[]])[] = [
  [() => true, [HttpFault.unavailable.code, HttpFault.internal.code]],
  [setUp, ['system.setup_needed']],
  [waitsReadOnly, ['system.read_only']],
  [reads, [HttpFault.invalid_input.code]],
  [inPath, [HttpFault.uri_malformed.code]],
  [takesBytes, [HttpFault.too_large.code, HttpFault.unsupported_media_type.code]],
  [parsesBody, [HttpFault.invalid_json.code, HttpFault.invalid_input.code]],
  [
    asksCaller,
    [
      HttpFault.unauthenticated.code,
      'auth.credential_missing',
      'auth.invalid_token',
      'auth.token_expired',
      'auth.session_ended',
      'auth.invalid_api_key',
      'auth.address_not_allowed',
      'access.org_suspended',
    ],
  ],
  [asksPermission, ['access.denied', 'access.not_found', 'auth.step_up_required']],
  [asksProof, ['auth.step_up_required', 'auth.sessions_only']],
  [namesOrg, ['access.bad_org']],
  [
    takesIdempotencyKey,
    ['http.bad_idempotency_key', 'http.idempotency_mismatch', 'http.idempotency_running'],
  ],
];

/** The faults that every route of this kind may answer. */
export function usualFaults(route: Route): FaultMaker[] {
  const codes = new Set(USUAL.flatMap(([holds, some]) => (holds(route) ? some : [])));
  return faultCatalogue().filter(({ code }) => codes.has(code));
}
