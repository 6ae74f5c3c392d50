import { expect } from 'vitest';
import { expectStatus, owner, startApp, until } from './app-in-process.ts';
import { RolloutKit, type Somebody } from './rollouts.ts';

/** An organization with the people that a rollout takes, and the moves that its specs make most. */
export async function startRollouts(parts: Parameters<typeof startApp>[0] = {}) {
  const app = await startApp(parts);
  const admin = await app.signIn(owner, 'acme');
  const kit = new RolloutKit(app, admin);
  const olga: Somebody = { id: admin.user.id, token: admin.accessToken, email: owner.email };
  const author = await kit.somebody('author', 'admin');
  const approver = await kit.somebody('approver', 'admin');
  const operator = await kit.somebody('operator', 'operator');
  return {
    app,
    kit,
    olga,
    author,
    approver,
    operator,

    /** Approved by one, under a policy that asks for one. */
    async approved(
      rules: Record<string, unknown> = {},
      target?: string,
      change: Record<string, unknown> = {},
    ) {
      const policyId = await kit.policy(olga, rules);
      const targets = [target ?? (await kit.target(olga))];
      const rollout = await kit.reviewed(author, policyId, targets, change);
      expectStatus(await kit.sign(approver, rollout), 200);
      expect(await kit.read(olga, rollout.id)).toMatchObject({ state: 'approved' });
      return { rollout, targets, policyId };
    },
    /** Signed off, armed, and executed by the operator. */
    async executed(
      change: Record<string, unknown> = {},
      rules: Record<string, unknown> = {},
      targets?: readonly string[],
    ) {
      const on = targets ?? [await kit.target(olga)];
      const rollout = await kit.reviewed(author, await kit.policy(olga, rules), on, change);
      expectStatus(await kit.sign(approver, rollout), 200);
      for (const verb of ['arm', 'execute'])
        expectStatus(await kit.post(operator, `/rollouts/${rollout.id}/${verb}`), 200);
      return { ...rollout, targets: on };
    },
    stateIs: (id: string, state: string) =>
      until(async () => {
        const now = await kit.read(olga, id);
        return now.state === state && now;
      }, 30_000),
    arm: (id: string) => kit.post(operator, `/rollouts/${id}/arm`),
    execute: (id: string) => kit.post(operator, `/rollouts/${id}/execute`),
    stateOf: async (id: string): Promise<string> => (await kit.read(olga, id)).state,
  };
}

/** A call of the receiver as a step. */
export const callTo = (
  base: string,
  name: string,
  path: string,
  command = 'http.put',
): Record<string, unknown> => ({
  name,
  command,
  arguments: { url: `${base}${path}` },
});

export type Rollouts = Awaited<ReturnType<typeof startRollouts>>;
