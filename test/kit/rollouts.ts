import { Postures } from '#rollout';
import { type Answered, type AppInProcess, type Ask, expectStatus, type SignedIn } from './app-in-process.ts';

/** The shape of a body is what specs are about. */
// oxlint-disable-next-line typescript/no-explicit-any
type Body = any;

export const password = 'a long enough password 1';

/** Somebody of the organization, signed in. */
export interface Somebody {
  readonly id: string;
  readonly token: string;
  readonly email: string;
}

const one = { anyOf: [{ allOf: [{ count: 1 }] }] };
export const two = { anyOf: [{ allOf: [{ count: 2 }] }] };
export { one as oneOf };

/** Rollouts of one organization over HTTP, with the people that they take. */
export class RolloutKit {
  readonly at: string;

  constructor(
    readonly app: AppInProcess,
    readonly admin: SignedIn,
  ) {
    this.at = `/orgs/${admin.organization.id}`;
  }

  get orgId(): string {
    return this.admin.organization.id;
  }

  async somebody(name: string, role: string, email = `${name}@acme.example`): Promise<Somebody> {
    const id = await this.app.addMember(this.admin, { email, name, password }, role);
    const { accessToken } = await this.app.signIn({ email, password }, this.admin.organization.slug);
    return { id, token: accessToken, email };
  }

  get(who: { token: string }, path: string): Promise<Answered> {
    return this.app.get(`${this.at}${path}`, { token: who.token });
  }

  post(who: { token: string }, path: string, body?: unknown, ask: Ask = {}): Promise<Answered> {
    return this.app.ask('POST', `${this.at}${path}`, { token: who.token, body, ...ask });
  }

  put(who: { token: string }, path: string, body: unknown): Promise<Answered> {
    return this.app.ask('PUT', `${this.at}${path}`, { token: who.token, body });
  }

  async policy(who: { token: string }, rules: Record<string, unknown> = {}): Promise<string> {
    const body = { name: `policy ${Math.random()}`, quorum: one, ...rules };
    return expectStatus(await this.post(who, '/rollout-policies', body), 201).id;
  }

  /** A target whose inventory has just said what it is. */
  async target(who: { token: string }, change: Record<string, unknown> = {}): Promise<string> {
    const body = { name: `target ${Math.random()}`, kind: 'host', environment: 'production', ...change };
    const { id } = expectStatus(await this.post(who, '/rollout-targets', body), 201);
    await this.report(who, id);
    return id;
  }

  async report(
    who: { token: string },
    target: string,
    state = 'sha256:as-it-was',
    ttlSeconds = 3600,
  ): Promise<void> {
    const observedAt = this.app.clock.now().toISOString();
    expectStatus(
      await this.put(who, `/rollout-targets/${target}/state`, { state, observedAt, ttlSeconds }),
      200,
    );
  }

  async written(who: { token: string }, policyId: string, title = 'A change'): Promise<string> {
    return expectStatus(await this.post(who, '/rollouts', { title, policyId }), 201).id;
  }

  async planned(who: { token: string }, id: string, plan: Record<string, unknown>): Promise<Body> {
    return expectStatus(await this.put(who, `/rollouts/${id}/plan`, plan), 200);
  }

  /** Written, planned and in review. */
  async reviewed(
    who: { token: string },
    policyId: string,
    targets: readonly string[],
    change: Record<string, unknown> = {},
  ): Promise<Body> {
    const id = await this.written(who, policyId);
    await this.planned(who, id, { ...planOf(targets), ...change });
    return expectStatus(await this.post(who, `/rollouts/${id}/review`), 200);
  }

  async sign(
    who: { token: string },
    rollout: { id: string; digest: string },
    change: Record<string, unknown> = {},
  ): Promise<Answered> {
    const body = { digest: rollout.digest, decision: 'approve', ...change };
    return this.post(who, `/rollouts/${rollout.id}/sign-offs`, body);
  }

  async read(who: { token: string }, id: string): Promise<Body> {
    return expectStatus(await this.get(who, `/rollouts/${id}`), 200);
  }

  async steps(who: { token: string }, id: string): Promise<Body[]> {
    return expectStatus(await this.get(who, `/rollouts/${id}/steps`), 200).items;
  }

  /** The gates by name. */
  async gates(
    who: { token: string },
    id: string,
  ): Promise<Record<string, { verdict: string; reason: string }>> {
    const { items } = expectStatus(await this.get(who, `/rollouts/${id}/gates`), 200);
    return Object.fromEntries(items.map((gate: Body) => [gate.name, gate]));
  }
}

/** What the projection says, by surface, as a spec has it say. Every surface is there. */
export class SaidPostures extends Postures {
  readonly said = new Map<string, { verdict: string; validUntil: Date }>();

  override of(_tx: unknown, surfaceId: string) {
    return Promise.resolve(this.said.get(surfaceId));
  }

  override existing(_tx: unknown, _orgId: string, surfaceIds: readonly string[]) {
    return Promise.resolve(new Set(surfaceIds));
  }
}

export const noop = (name: string, change: Record<string, unknown> = {}): Record<string, unknown> => ({
  name,
  command: 'noop.record',
  ...change,
});

/** A plan of one harmless step for these targets, and a harmless way back. */
export function planOf(
  targets: readonly string[],
  change: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    environment: 'production',
    targets,
    steps: [noop('install')],
    recovery: { kind: 'rollback', steps: [noop('put back')] },
    ...change,
  };
}

/** An in-toto statement about a digest, in the shape of a verification summary. */
export function statement(
  digest: string,
  predicateType: string,
  at: Date,
  change: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: 'plan', digest: { sha256: digest.replace('sha256:', '') } }],
    predicateType,
    predicate: {
      verifier: { id: 'test' },
      timeVerified: at.toISOString(),
      verificationResult: 'PASSED',
      ...change,
    },
  };
}
