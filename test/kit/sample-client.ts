import type { Problem } from '#http';
import type { Sample } from './sample-app.ts';

export type Inject = Exclude<Parameters<Sample['app']['inject']>[0], string | undefined>;

/** The answer, and its problem where it is one. */
export async function ask(sample: Sample, options: Inject) {
  const answer = await sample.app.inject(options);
  return { answer, problem: answer.statusCode >= 400 ? answer.json<Problem>() : undefined };
}

/** Posts to the sample's route that takes a body; text and bytes go as they are. */
export function postThing(
  sample: Sample,
  payload: string | Buffer | object,
  headers: Record<string, string> = {},
) {
  return ask(sample, {
    method: 'POST',
    url: '/api/v1/things',
    payload: typeof payload === 'object' && !Buffer.isBuffer(payload) ? JSON.stringify(payload) : payload,
    headers: { 'content-type': 'application/json', ...headers },
  });
}
