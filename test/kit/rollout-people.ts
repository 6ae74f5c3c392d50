import { expect } from 'vitest';
import { expectStatus, owner, startApp, until } from './app-in-process.ts';
import { accept, HttpReceiver } from './http-receiver.ts';
import { RolloutKit, SaidPostures, type Somebody } from './rollouts.ts';

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
    /** Written by the author, signed off, and armed by the operator. */
    async armed(
      change: Record<string, unknown> = {},
      rules: Record<string, unknown> = {},
      targets?: readonly string[],
    ) {
      const on = targets ?? [await kit.target(olga)];
      const rollout = await kit.reviewed(author, await kit.policy(olga, rules), on, change);
      expectStatus(await kit.sign(approver, rollout), 200);
      expectStatus(await kit.post(operator, `/rollouts/${rollout.id}/arm`), 200);
      return { ...rollout, targets: on };
    },
    /** Signed off, armed, and executed by the operator. */
    async executed(
      change: Record<string, unknown> = {},
      rules: Record<string, unknown> = {},
      targets?: readonly string[],
    ) {
      const rollout = await this.armed(change, rules, targets);
      expectStatus(await kit.post(operator, `/rollouts/${rollout.id}/execute`), 200);
      return rollout;
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

/** The same, with a worker, a receiver that its steps call, and surfaces of which the spec says what is projected. */
export async function startReceivedRollouts() {
  const receiver = await HttpReceiver.start();
  const postures = new SaidPostures();
  const rollouts = await startRollouts({ worker: true, postures, egressAllow: ['127.0.0.0/8'] });
  return {
    ...rollouts,
    receiver,
    postures,
    call: (name: string, path: string, command?: string) => callTo(receiver.url, name, path, command),

    /** As if nothing had been asked of the receiver, and the clock never moved. */
    reset(): void {
      receiver.behaviour = accept;
      receiver.requests.length = 0;
      rollouts.app.clock.reset();
    },
    async stop(): Promise<void> {
      await rollouts.app.close();
      await receiver.stop();
    },
  };
}

export type ReceivedRollouts = Awaited<ReturnType<typeof startReceivedRollouts>>;
